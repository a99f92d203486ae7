/** The load generator over HTTP: an open loop of streamed completions on virtual threads, timed at the client. */
package dev.nightshift.load;
