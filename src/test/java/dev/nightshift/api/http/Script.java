package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatEvent.TokenLogprob;
import dev.nightshift.engine.FinishReason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Events as a model would send them, and answers as clients would read them. */
final class Script {
    static final AnswerHead HEAD = new AnswerHead("id-1", 1700000000, "m", "fp_x");

    private Script() {}

    static ChatEvent text(int choice, String text, int... ids) {
        return new ChatEvent.Text(choice, text, Arrays.stream(ids).boxed().toList(), List.of());
    }

    static ChatEvent scored(int choice, String text, TokenLogprob... tokens) {
        List<TokenLogprob> list = List.of(tokens);
        return new ChatEvent.Text(
                choice, text, list.stream().map(TokenLogprob::id).toList(), list);
    }

    static ChatEvent stop(int choice, int tokens) {
        return new ChatEvent.ChoiceFinished(choice, FinishReason.STOP, null, tokens);
    }

    static ChatEvent length(int choice, int tokens) {
        return new ChatEvent.ChoiceFinished(choice, FinishReason.LENGTH, null, tokens);
    }

    static TokenLogprob token(int id, String text, float logprob, TokenLogprob... top) {
        return new TokenLogprob(id, text, text.getBytes(StandardCharsets.UTF_8), logprob, List.of(top));
    }

    static String json(Object wire) {
        return new String(Json.bytes(wire), StandardCharsets.UTF_8);
    }

    /** Every frame of a stream as JSON. */
    static List<String> frames(StreamForm form, ChatEvent... events) {
        List<String> frames = new ArrayList<>();
        for (ChatEvent event : events) {
            form.frames(0, event).forEach(frame -> frames.add(json(frame)));
        }
        form.closing().forEach(frame -> frames.add(json(frame)));
        return frames;
    }
}
