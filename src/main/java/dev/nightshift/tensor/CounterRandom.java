package dev.nightshift.tensor;

/**
 * Random numbers without state, Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11): a value
 * depends on (seed, stream, counter) alone, so every backend draws the same in any order and a replayed step repeats itself.
 *
 * <p>Key = the seed's low and high word; counter words = the counter's low and high word, the stream, 0. Of the four words
 * that come out the first counts.
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
        return (int) (block((int) seed, (int) (seed >>> 32), counter, stream, 0) >>> 32);
    }

    /** First two words of a Philox block, the first one high; the test compares it with the authors' known answers. */
    static long block(int key0, int key1, long counter01, int counter2, int counter3) {
        int c0 = (int) counter01;
        int c1 = (int) (counter01 >>> 32);
        int c2 = counter2;
        int c3 = counter3;
        int k0 = key0;
        int k1 = key1;
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
        return ((long) c0 << 32) | (c1 & 0xFFFFFFFFL);
    }
}
