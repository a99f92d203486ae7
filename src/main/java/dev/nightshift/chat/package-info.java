/**
 * Chat requests rendered, encoded, submitted, and turned back into text events: stop strings, whole characters,
 * log-probabilities. Any thread; a {@link dev.nightshift.chat.ChatStream} has one reader, and no thread waits for it.
 */
package dev.nightshift.chat;
