package dev.nightshift.tensor;

import java.util.Map;

/**
 * How one row chooses its token, and from which logits.
 *
 * @param history [vocab] as in {@link SamplingRows#history()}, or null
 * @param allowed [vocab], or null
 */
record Choice(
        float[] logits,
        float temperature,
        int topK,
        float topP,
        float minP,
        float repetition,
        float presence,
        float frequency,
        long seed,
        long counter,
        Map<Integer, Float> biases,
        int[] history,
        boolean[] allowed) {

    static Choice greedy(float... logits) {
        return new Choice(logits, 0, 0, 1, 0, 1, 0, 0, 0, 0, Map.of(), null, null);
    }

    static Choice drawn(float[] logits, float temperature, long seed, long counter) {
        return new Choice(logits, temperature, 0, 1, 0, 1, 0, 0, seed, counter, Map.of(), null, null);
    }

    Choice filtered(int k, float p, float min) {
        return new Choice(
                logits,
                temperature,
                k,
                p,
                min,
                repetition,
                presence,
                frequency,
                seed,
                counter,
                biases,
                history,
                allowed);
    }

    Choice penalised(float newRepetition, float newPresence, float newFrequency, int... newHistory) {
        return new Choice(
                logits,
                temperature,
                topK,
                topP,
                minP,
                newRepetition,
                newPresence,
                newFrequency,
                seed,
                counter,
                biases,
                newHistory,
                allowed);
    }

    Choice biased(Map<Integer, Float> newBiases) {
        return new Choice(
                logits,
                temperature,
                topK,
                topP,
                minP,
                repetition,
                presence,
                frequency,
                seed,
                counter,
                newBiases,
                history,
                allowed);
    }

    Choice masked(boolean... newAllowed) {
        return new Choice(
                logits,
                temperature,
                topK,
                topP,
                minP,
                repetition,
                presence,
                frequency,
                seed,
                counter,
                biases,
                history,
                newAllowed);
    }
}
