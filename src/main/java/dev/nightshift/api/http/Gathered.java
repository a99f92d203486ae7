package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatEvent.TokenLogprob;
import java.util.ArrayList;
import java.util.List;

/** One choice of a whole answer, as it grows. */
final class Gathered {
    final StringBuilder text = new StringBuilder();
    final List<Integer> ids = new ArrayList<>();
    final List<TokenLogprob> logprobs = new ArrayList<>();

    /** Null until the choice is complete. */
    ChatEvent.ChoiceFinished finished;

    void add(ChatEvent.Text more) {
        text.append(more.text());
        ids.addAll(more.ids());
        logprobs.addAll(more.logprobs());
    }
}
