package dev.nightshift.engine;

import dev.nightshift.failure.ServingException;
import java.util.List;

/** What a sequence tells its reader, in order: prompt scores (if asked for), tokens, then exactly one end. */
public sealed interface TokenEvent {

    /** A token with its natural-log probability, and the alternatives if asked for, most likely first. */
    record Scored(int id, float logprob, int[] topIds, float[] topLogprobs) {}

    /** Scores of prompt tokens 1, 2, ...; the first prompt token has none. */
    record PromptScores(List<Scored> tokens) implements TokenEvent {
        public PromptScores {
            tokens = List.copyOf(tokens);
        }
    }

    /** A new token; an end or stop token is not sent as one but named in {@link Finished}. */
    record Token(Scored scored) implements TokenEvent {}

    /**
     * @param stopId the end or stop token that ended it, or -1
     * @param stopScored its score, or null
     * @param cachedPromptTokens prompt tokens taken from the prefix cache
     */
    record Finished(FinishReason reason, int stopId, Scored stopScored, int cachedPromptTokens) implements TokenEvent {}

    record Failed(ServingException failure) implements TokenEvent {}
}
