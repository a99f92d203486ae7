package dev.nightshift.engine;

import java.util.List;
import java.util.Map;

/**
 * How a sequence's tokens are chosen; values are checked before (see {@code chat}).
 *
 * @param temperature 0 = greedy
 * @param topK 0 = off
 * @param topP 1 = off
 * @param minP 0 = off
 * @param seed what the draws depend on; chosen at random by the caller where a request has none
 * @param logitBias token id to bias
 * @param stopIds tokens that end the sequence beside the model's own end tokens
 * @param minTokens end and stop tokens are banned before so many new tokens
 * @param topLogprobs alternatives reported per token; -1 = no log-probabilities at all
 */
public record SamplingParameters(
        float temperature,
        int topK,
        float topP,
        float minP,
        float repetitionPenalty,
        float presencePenalty,
        float frequencyPenalty,
        long seed,
        Map<Integer, Float> logitBias,
        List<Integer> stopIds,
        int minTokens,
        boolean ignoreEos,
        int topLogprobs) {
    public SamplingParameters {
        logitBias = Map.copyOf(logitBias);
        stopIds = List.copyOf(stopIds);
    }

    /** Greedy, nothing else. */
    public static SamplingParameters greedy() {
        return new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0, Map.of(), List.of(), 0, false, -1);
    }
}
