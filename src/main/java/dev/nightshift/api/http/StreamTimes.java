package dev.nightshift.api.http;

import java.time.Duration;

/**
 * @param keepAlive silence after which a comment is written
 * @param slowReader how long a connection may stay full
 */
record StreamTimes(Duration keepAlive, Duration slowReader) {}
