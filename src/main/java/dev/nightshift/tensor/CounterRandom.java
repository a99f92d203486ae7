package dev.nightshift.tensor;

/**
 * Random numbers without state, Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11): a value
 * depends on (seed, stream, counter) alone, so every backend draws the same in any order and a replayed step repeats itself.
 *
 * <p>Key = the seed's low and high word; counter words = the counter's low and high word, the stream, 0. A draw by
 * counter takes the first of the four words that come out, one by row and column any of them.
 */
public final class CounterRandom {
    /** Stream of {@link TensorOps#sample}. */
    public static final int SAMPLING = 0;
    /** Stream of LoRA dropout. */
    public static final int DROPOUT = 1;
    /** Stream of NEFTune's embedding noise. */
    public static final int NEFTUNE = 2;

    private static final int ROUNDS = 10;
    // multipliers and Weyl increments: the paper's section 3.3
    private static final long M0 = 0xD2511F53L;
    private static final long M1 = 0xCD9E8D57L;
    private static final int W0 = 0x9E3779B9;
    private static final int W1 = 0xBB67AE85;

    private CounterRandom() {}

    /** The draw of {@link TensorOps#sample}: uniform in [0, 1), a multiple of 2^-24. */
    public static float uniform(long seed, long counter) {
        return uniform(seed, SAMPLING, counter);
    }

    /** Uniform in [0, 1), a multiple of 2^-24 (exact in a float): the word's high 24 bits. */
    public static float uniform(long seed, int stream, long counter) {
        return (bits(seed, stream, counter) >>> 8) * 0x1p-24f;
    }

    /** 32 random bits. */
    public static int bits(long seed, int stream, long counter) {
        int[] words = new int[4];
        block(words, seed, counter, stream, 0);
        return words[0];
    }

    /**
     * Uniform in [0, 1) for an element of a matrix (dropout, noise). Four neighbours share one block: counter = (column / 4,
     * row), word = column mod 4.
     */
    public static float uniform(long seed, int stream, int row, int column) {
        int[] words = new int[4];
        block(words, seed, ((long) row << 32) | (column >>> 2), stream, 0);
        return (words[column & 3] >>> 8) * 0x1p-24f;
    }

    /** The four draws of columns {@code 4 * quarter} to {@code 4 * quarter + 3} of a row. */
    public static void uniforms(float[] four, long seed, int stream, int row, int quarter) {
        int[] words = new int[4];
        block(words, seed, ((long) row << 32) | (quarter & 0xFFFF_FFFFL), stream, 0);
        for (int i = 0; i < 4; i++) {
            four[i] = (words[i] >>> 8) * 0x1p-24f;
        }
    }

    /** One Philox block; the test compares it with the authors' known answers. */
    static void block(int[] words, long key, long counter01, int counter2, int counter3) {
        int c0 = (int) counter01;
        int c1 = (int) (counter01 >>> 32);
        int c2 = counter2;
        int c3 = counter3;
        int k0 = (int) key;
        int k1 = (int) (key >>> 32);
        for (int round = 0; round < ROUNDS; round++) {
            long p0 = M0 * (c0 & 0xFFFFFFFFL);
            long p1 = M1 * (c2 & 0xFFFFFFFFL);
            c0 = (int) (p1 >>> 32) ^ c1 ^ k0;
            c2 = (int) (p0 >>> 32) ^ c3 ^ k1;
            c1 = (int) p1;
            c3 = (int) p0;
            k0 += W0;
            k1 += W1;
        }
        words[0] = c0;
        words[1] = c1;
        words[2] = c2;
        words[3] = c3;
    }
}
