package dev.nightshift.api.http;

import java.security.SecureRandom;
import java.time.Instant;
import java.util.HexFormat;

/**
 * What every part of one answer repeats.
 *
 * @param created seconds since 1970
 * @param fingerprint changes when the same seed may give another text
 */
record AnswerHead(String id, long created, String model, String fingerprint) {
    private static final SecureRandom RANDOM = new SecureRandom();

    static AnswerHead of(String idPrefix, String model, ModelFacts facts) {
        return new AnswerHead(idPrefix + randomHex(), Instant.now().getEpochSecond(), model, facts.fingerprint());
    }

    /** 128 bits, so that two never meet. */
    static String randomHex() {
        byte[] bytes = new byte[16];
        RANDOM.nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }
}
