package dev.nightshift.engine;

import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * One prompt to be continued.
 *
 * @param maxNewTokens 0 scores the prompt only; prompt and new tokens together must fit {@link EngineLoop#contextMax}
 * @param adapter the base model or one adapter, resolved at admission to a slot and a digest; its release runs once, when the
 *     sequence ends; if {@code submit} throws, it stays with the caller
 * @param cacheSalt tenant's salt of the prefix cache, "" for the common one
 * @param promptTopLogprobs alternatives reported per prompt token; -1 = prompt not scored
 * @param eventsMax bound of the queue between engine and reader; a sequence whose queue is full pauses
 * @param deadline after which the sequence fails with {@code REQUEST_TIMEOUT}
 * @param eventsReady called on the engine's thread after an event was queued; must be cheap and must not block
 */
public record SequenceRequest(
        int[] promptIds,
        SamplingParameters sampling,
        int maxNewTokens,
        AdapterBinding adapter,
        String cacheSalt,
        int promptTopLogprobs,
        int eventsMax,
        Optional<Instant> deadline,
        Runnable eventsReady) {
    public SequenceRequest {
        Objects.requireNonNull(sampling, "sampling is null");
        Objects.requireNonNull(adapter, "adapter is null");
        Objects.requireNonNull(cacheSalt, "cacheSalt is null");
        Objects.requireNonNull(deadline, "deadline is null");
        Objects.requireNonNull(eventsReady, "eventsReady is null");
        promptIds = promptIds.clone();
        if (promptIds.length == 0) {
            throw new IllegalStateException("empty prompt");
        }
        if (maxNewTokens < 0 || eventsMax < 1) {
            throw new IllegalStateException("%d new tokens, queue of %d".formatted(maxNewTokens, eventsMax));
        }
    }

    /** A request of the base model for a reader that polls, without scores, salt or deadline. */
    public static SequenceRequest of(int[] promptIds, SamplingParameters sampling, int maxNewTokens) {
        return new SequenceRequest(
                promptIds, sampling, maxNewTokens, AdapterBinding.BASE, "", -1, 256, Optional.empty(), () -> {});
    }
}
