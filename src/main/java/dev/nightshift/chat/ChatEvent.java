package dev.nightshift.chat;

import dev.nightshift.engine.FinishReason;
import dev.nightshift.failure.ServingException;
import java.util.List;

/** What a request tells its reader. Events of one choice are in order; choices interleave. */
public sealed interface ChatEvent {

    /**
     * A token as clients see it.
     *
     * @param token text of the token alone, U+FFFD where it is a part of a character
     * @param bytes its raw bytes
     * @param top alternatives, most likely first; empty if none were asked for
     */
    record TokenLogprob(int id, String token, byte[] bytes, float logprob, List<TokenLogprob> top) {
        public TokenLogprob {
            top = List.copyOf(top);
        }
    }

    /** All choices are admitted: from here on a failure can only be a mid-stream one. */
    record Started(int promptTokens) implements ChatEvent {}

    /** The prompt's tokens with scores; the first one's logprob is NaN. */
    record PromptScored(int choice, List<TokenLogprob> tokens) implements ChatEvent {}

    /**
     * More text of a choice: whole characters, never part of a stop string.
     *
     * @param ids tokens that this text comes from (may be empty, or more than one where text was held back)
     * @param logprobs of these tokens, empty if not asked for
     */
    record Text(int choice, String text, List<Integer> ids, List<TokenLogprob> logprobs) implements ChatEvent {
        public Text {
            ids = List.copyOf(ids);
            logprobs = List.copyOf(logprobs);
        }
    }

    /**
     * A choice is complete.
     *
     * @param stopReason the stop string or stop id (as Integer) that ended it, null for the end token or length
     */
    record ChoiceFinished(int choice, FinishReason reason, Object stopReason, int completionTokens)
            implements ChatEvent {}

    /** The last event of a request that went well. */
    record Completed(int promptTokens, int completionTokens, int cachedPromptTokens) implements ChatEvent {}

    /** The last event of one that did not. */
    record Failed(ServingException failure) implements ChatEvent {}
}
