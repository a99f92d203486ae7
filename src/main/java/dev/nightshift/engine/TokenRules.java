package dev.nightshift.engine;

import java.util.stream.IntStream;

/**
 * A sequence's logit bias and its end tokens, in the form a step needs.
 *
 * @param stopIds own stop ids, and the model's end tokens unless they are ignored
 */
record TokenRules(int[] biasIds, float[] biases, int[] stopIds) {

    static TokenRules of(SamplingParameters sampling, int[] endIds) {
        int[] biasIds = sampling.logitBias().keySet().stream()
                .mapToInt(Integer::intValue)
                .sorted()
                .toArray();
        float[] biases = new float[biasIds.length];
        for (int i = 0; i < biases.length; i++) {
            biases[i] = sampling.logitBias().get(biasIds[i]);
        }
        IntStream own = sampling.stopIds().stream().mapToInt(Integer::intValue);
        IntStream ends = sampling.ignoreEos() ? IntStream.empty() : IntStream.of(endIds);
        return new TokenRules(
                biasIds, biases, IntStream.concat(own, ends).distinct().toArray());
    }

    boolean stops(int id) {
        for (int stop : stopIds) {
            if (stop == id) {
                return true;
            }
        }
        return false;
    }

    /** Entries of the bias row, bans before {@code minTokens} included. */
    int entriesMax(int minTokens) {
        return biasIds.length + (minTokens > 0 ? stopIds.length : 0);
    }
}
