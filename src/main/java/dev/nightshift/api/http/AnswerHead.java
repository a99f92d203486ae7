package dev.nightshift.api.http;

/**
 * What every part of one answer repeats.
 *
 * @param created seconds since 1970
 * @param fingerprint changes when the same seed may give another text
 */
record AnswerHead(String id, long created, String model, String fingerprint) {}
