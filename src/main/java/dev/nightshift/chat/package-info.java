/** Chat requests rendered, encoded, submitted, and turned back into text events: stop strings, whole characters, log-probabilities. Any thread. */
package dev.nightshift.chat;
