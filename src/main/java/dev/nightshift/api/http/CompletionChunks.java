package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatEvent.ChoiceFinished;
import dev.nightshift.chat.ChatEvent.Completed;
import dev.nightshift.chat.ChatEvent.Failed;
import dev.nightshift.chat.ChatEvent.PromptScored;
import dev.nightshift.chat.ChatEvent.Started;
import dev.nightshift.chat.ChatEvent.Text;
import dev.nightshift.chat.ChatEvent.TokenLogprob;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A text completion as a stream; an echoed prompt is the first text of its choices. */
final class CompletionChunks implements StreamForm {
    private final CompletionCall call;
    private final AnswerHead head;
    private final List<String> echoed;
    private final int[] textLengths;
    private final Tally tally = new Tally();

    /** @param echoed each prompt's text, or empty without echo */
    CompletionChunks(CompletionCall call, AnswerHead head, List<String> echoed) {
        this.call = call;
        this.head = head;
        this.echoed = echoed;
        this.textLengths = new int[call.requests().size() * call.choicesPerPrompt()];
    }

    @Override
    public List<Object> frames(int prompt, ChatEvent event) {
        tally.count(event);
        return switch (event) {
            // with log-probabilities the scored prompt follows, and the text with it
            case Started started -> call.echo() && call.logprobs() < 0 ? echo(prompt) : List.of();
            case PromptScored scored ->
                call.echo() && call.logprobs() >= 0
                        ? List.of(text(prompt, scored.choice(), echoed.get(prompt), List.of(), scored.tokens()))
                        : List.of();
            case Text text -> text(prompt, text);
            case ChoiceFinished finished ->
                List.of(frame(new TextCompletion.Choice(
                        index(prompt, finished.choice()),
                        "",
                        null,
                        Tally.finishReason(finished.reason()),
                        finished.stopReason(),
                        null,
                        null)));
            case Completed completed -> List.of();
            case Failed failed -> List.of();
        };
    }

    private List<Object> echo(int prompt) {
        List<Object> frames = new ArrayList<>();
        for (int choice = 0; choice < call.choicesPerPrompt(); choice++) {
            frames.add(text(prompt, choice, echoed.get(prompt), List.of(), List.of()));
        }
        return frames;
    }

    private List<Object> text(int prompt, Text text) {
        boolean tokensShown = call.logprobs() >= 0 || call.tokenForm().returnIds();
        if (text.text().isEmpty() && !(tokensShown && !text.ids().isEmpty())) {
            return List.of();
        }
        return List.of(text(prompt, text.choice(), text.text(), text.ids(), text.logprobs()));
    }

    private TextCompletion text(int prompt, int choice, String text, List<Integer> ids, List<TokenLogprob> scored) {
        int index = index(prompt, choice);
        TextLogprobs logprobs = call.logprobs() < 0
                ? null
                : TextLogprobs.of(scored, call.tokenForm(), call.logprobs(), textLengths[index]);
        textLengths[index] += text.length();
        return frame(new TextCompletion.Choice(
                index, text, logprobs, null, null, null, call.tokenForm().returnIds() ? ids : null));
    }

    private int index(int prompt, int choice) {
        return prompt * call.choicesPerPrompt() + choice;
    }

    @Override
    public List<Object> closing() {
        return call.streaming().includeUsage() ? List.of(chunk(List.of(), Optional.of(tally.total()))) : List.of();
    }

    @SuppressWarnings("OptionalAssignedToNull") // null leaves the key out, empty writes null
    private TextCompletion frame(TextCompletion.Choice choice) {
        if (call.streaming().continuousUsage()) {
            return chunk(List.of(choice), Optional.of(tally.soFar()));
        }
        return chunk(List.of(choice), call.streaming().includeUsage() ? Optional.empty() : null);
    }

    private TextCompletion chunk(List<TextCompletion.Choice> choices, Optional<Usage> usage) {
        return new TextCompletion(
                head.id(), "text_completion", head.created(), head.model(), head.fingerprint(), choices, usage);
    }
}
