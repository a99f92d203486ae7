package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatEvent.ChoiceFinished;
import dev.nightshift.chat.ChatEvent.Completed;
import dev.nightshift.chat.ChatEvent.Failed;
import dev.nightshift.chat.ChatEvent.PromptScored;
import dev.nightshift.chat.ChatEvent.Started;
import dev.nightshift.chat.ChatEvent.Text;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A chat completion as one answer. */
final class ChatAnswer implements AnswerForm {
    private final ChatCall call;
    private final AnswerHead head;
    private final List<Integer> promptIds;
    private final List<Gathered> choices = new ArrayList<>();
    private final Tally tally = new Tally();
    private List<Map<String, Logprob>> promptLogprobs;

    /** @param promptIds shown if not null */
    ChatAnswer(ChatCall call, AnswerHead head, List<Integer> promptIds) {
        this.call = call;
        this.head = head;
        this.promptIds = promptIds;
        for (int i = 0; i < call.request().n(); i++) {
            choices.add(new Gathered());
        }
    }

    @Override
    public void accept(int prompt, ChatEvent event) {
        tally.count(event);
        switch (event) {
            case Text text -> choices.get(text.choice()).add(text);
            case ChoiceFinished finished -> choices.get(finished.choice()).finished = finished;
            // the same prompt for every choice: the first one's scores speak for all
            case PromptScored scored ->
                promptLogprobs = promptLogprobs == null ? Logprob.prompt(scored.tokens()) : promptLogprobs;
            case Started started -> {}
            case Completed completed -> {}
            case Failed failed -> {}
        }
    }

    @Override
    public ChatCompletion answer() {
        List<ChatCompletion.Choice> all = new ArrayList<>(choices.size());
        for (int i = 0; i < choices.size(); i++) {
            Gathered choice = choices.get(i);
            all.add(new ChatCompletion.Choice(
                    i,
                    new ChatCompletion.Message("assistant", call.echoed() + choice.text, null),
                    call.logprobs() ? ChatLogprobs.of(choice.logprobs, call.tokenForm()) : null,
                    Tally.finishReason(choice.finished.reason()),
                    choice.finished.stopReason(),
                    call.tokenForm().returnIds() ? choice.ids : null));
        }
        return new ChatCompletion(
                head.id(),
                "chat.completion",
                head.created(),
                head.model(),
                all,
                tally.total(),
                head.fingerprint(),
                promptLogprobs,
                promptIds);
    }
}
