package dev.nightshift.engine;

import java.util.Objects;

/**
 * One prompt to be continued.
 *
 * @param maxNewTokens 0 scores the prompt only
 * @param adapter the base model or one adapter, resolved at admission to a slot and a digest
 * @param cacheSalt tenant's salt of the prefix cache, "" for the common one
 * @param promptTopLogprobs alternatives reported per prompt token; -1 = prompt not scored
 * @param eventsMax bound of the queue between engine and reader
 */
public record SequenceRequest(
        int[] promptIds,
        SamplingParameters sampling,
        int maxNewTokens,
        AdapterBinding adapter,
        String cacheSalt,
        int promptTopLogprobs,
        int eventsMax) {
    public SequenceRequest {
        Objects.requireNonNull(promptIds, "promptIds is null");
        Objects.requireNonNull(sampling, "sampling is null");
        Objects.requireNonNull(adapter, "adapter is null");
        Objects.requireNonNull(cacheSalt, "cacheSalt is null");
        if (promptIds.length == 0) {
            throw new IllegalStateException("empty prompt");
        }
    }
}
