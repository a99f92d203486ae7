package dev.nightshift.api.http;

import java.time.Duration;

/**
 * Clocks of a stream.
 *
 * @param keepAlive silence after which a comment is written
 * @param slowReader how long a connection may stay full
 */
public record StreamTimes(Duration keepAlive, Duration slowReader) {}
