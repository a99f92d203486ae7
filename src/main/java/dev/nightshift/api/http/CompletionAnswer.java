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
import java.util.Map;
import java.util.Optional;

/** A text completion as one answer, prompts echoed and scored where asked for. */
final class CompletionAnswer implements AnswerForm {
    private final CompletionCall call;
    private final AnswerHead head;
    private final List<String> echoed;
    private final List<Gathered> choices = new ArrayList<>();
    private final List<List<TokenLogprob>> promptScores = new ArrayList<>();
    private final Tally tally = new Tally();

    /** @param echoed each prompt's text, or empty without echo */
    CompletionAnswer(CompletionCall call, AnswerHead head, List<String> echoed) {
        this.call = call;
        this.head = head;
        this.echoed = echoed;
        for (int i = 0; i < call.requests().size() * call.choicesPerPrompt(); i++) {
            choices.add(new Gathered());
        }
        call.requests().forEach(request -> promptScores.add(List.of()));
    }

    @Override
    public void accept(int prompt, ChatEvent event) {
        tally.count(event);
        switch (event) {
            case Text text -> choices.get(index(prompt, text.choice())).add(text);
            case ChoiceFinished finished -> choices.get(index(prompt, finished.choice())).finished = finished;
            case PromptScored scored -> promptScores.set(prompt, scored.tokens());
            case Started started -> {}
            case Completed completed -> {}
            case Failed failed -> {}
        }
    }

    private int index(int prompt, int choice) {
        return prompt * call.choicesPerPrompt() + choice;
    }

    @Override
    public TextCompletion answer() {
        List<TextCompletion.Choice> all = new ArrayList<>(choices.size());
        for (int i = 0; i < choices.size(); i++) {
            int prompt = i / call.choicesPerPrompt();
            Gathered choice = choices.get(i);
            all.add(new TextCompletion.Choice(
                    i,
                    call.echo() ? echoed.get(prompt) + choice.text : choice.text.toString(),
                    logprobs(prompt, choice),
                    Tally.finishReason(choice.finished.reason()),
                    choice.finished.stopReason(),
                    promptLogprobs(prompt),
                    call.tokenForm().returnIds() ? choice.ids : null));
        }
        return new TextCompletion(
                head.id(),
                "text_completion",
                head.created(),
                head.model(),
                head.fingerprint(),
                all,
                Optional.of(tally.total()));
    }

    private TextLogprobs logprobs(int prompt, Gathered choice) {
        if (call.logprobs() < 0) {
            return null;
        }
        if (!call.echo()) {
            return TextLogprobs.of(choice.logprobs, call.tokenForm(), call.logprobs(), 0);
        }
        List<TokenLogprob> tokens = new ArrayList<>(promptScores.get(prompt));
        tokens.addAll(choice.logprobs);
        return TextLogprobs.of(tokens, call.tokenForm(), call.logprobs(), 0);
    }

    private List<Map<String, Logprob>> promptLogprobs(int prompt) {
        return call.promptLogprobs() ? Logprob.prompt(promptScores.get(prompt)) : null;
    }
}
