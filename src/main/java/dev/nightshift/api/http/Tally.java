package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatEvent.ChoiceFinished;
import dev.nightshift.chat.ChatEvent.Completed;
import dev.nightshift.chat.ChatEvent.Failed;
import dev.nightshift.chat.ChatEvent.PromptScored;
import dev.nightshift.chat.ChatEvent.Started;
import dev.nightshift.chat.ChatEvent.Text;
import dev.nightshift.engine.FinishReason;

/** Tokens counted over all prompts of one request. */
final class Tally {
    private int promptTokens;
    private int completionTokens;
    private int cachedTokens;

    /** Tokens of texts so far; replaced by the exact count of each prompt when it is complete. */
    private int streamedTokens;

    void count(ChatEvent event) {
        switch (event) {
            case Started started -> promptTokens += started.promptTokens();
            case Text text -> streamedTokens += text.ids().size();
            case Completed completed -> {
                completionTokens += completed.completionTokens();
                cachedTokens += completed.cachedPromptTokens();
            }
            case PromptScored scored -> {}
            case ChoiceFinished finished -> {}
            case Failed failed -> {}
        }
    }

    Usage total() {
        return Usage.of(promptTokens, completionTokens, cachedTokens);
    }

    Usage soFar() {
        return Usage.of(promptTokens, streamedTokens, cachedTokens);
    }

    static String finishReason(FinishReason reason) {
        return switch (reason) {
            case STOP -> "stop";
            case LENGTH -> "length";
            // only a reader that is gone ends a sequence so: nobody sees it
            case CANCELLED -> "cancelled";
        };
    }
}
