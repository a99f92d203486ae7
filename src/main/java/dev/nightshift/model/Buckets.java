package dev.nightshift.model;

/** Sizes that a step is padded to: each number up to 8, then multiples of 8. */
public final class Buckets {
    private static final int EXACT = 8;

    private Buckets() {}

    /** The smallest size that holds {@code n}; 0 for 0. */
    public static int size(int n) {
        return n <= EXACT ? n : (n + EXACT - 1) / EXACT * EXACT;
    }

    /** Consecutive number of the size {@link #size} of n. */
    public static int index(int n) {
        return n <= EXACT ? n : EXACT - 1 + (n + EXACT - 1) / EXACT;
    }

    /** Number of sizes up to {@code max}, size 0 included. */
    public static int count(int max) {
        return index(max) + 1;
    }
}
