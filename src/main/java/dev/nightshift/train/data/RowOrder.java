package dev.nightshift.train.data;

import java.util.Arrays;
import java.util.SplittableRandom;

/** In which order an epoch takes its samples: a function of its arguments alone. */
public final class RowOrder {
    /** Batches among which samples are sorted by length: enough to make neighbours alike, few enough to stay random. */
    private static final int GROUPED_BATCHES = 50;

    private RowOrder() {}

    /**
     * All samples in random order.
     *
     * @param lengths tokens of each sample
     * @param groupByLength whether the samples of a batch have about the same length, which leaves less of a micro batch unused
     */
    public static int[] of(int[] lengths, int batchSize, long seed, int epoch, boolean groupByLength) {
        SplittableRandom random = new SplittableRandom(seed * 0x9E3779B97F4A7C15L + epoch);
        int[] order = shuffled(lengths.length, random);
        if (!groupByLength) {
            return order;
        }
        int group = batchSize * GROUPED_BATCHES;
        for (int from = 0; from < order.length; from += group) {
            int to = Math.min(order.length, from + group);
            int[] sorted = Arrays.stream(order, from, to)
                    .boxed()
                    .sorted((a, b) -> Integer.compare(lengths[b], lengths[a]))
                    .mapToInt(Integer::intValue)
                    .toArray();
            System.arraycopy(sorted, 0, order, from, sorted.length);
        }
        return batchesShuffled(order, batchSize, random);
    }

    /** The short batch at the end stays there, so that every other one is whole. */
    private static int[] batchesShuffled(int[] order, int batchSize, SplittableRandom random) {
        int whole = order.length / batchSize;
        int[] batches = shuffled(whole, random);
        int[] result = order.clone();
        for (int i = 0; i < whole; i++) {
            System.arraycopy(order, batches[i] * batchSize, result, i * batchSize, batchSize);
        }
        return result;
    }

    /** Fisher and Yates' shuffle of 0 to {@code size - 1}. */
    static int[] shuffled(int size, SplittableRandom random) {
        int[] order = new int[size];
        Arrays.setAll(order, i -> i);
        for (int i = size - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
        return order;
    }
}
