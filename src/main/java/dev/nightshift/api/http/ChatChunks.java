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
import java.util.Optional;

/** A chat completion as a stream: roles, text, one finish reason per choice, usage if asked for. */
final class ChatChunks implements StreamForm {
    private final ChatCall call;
    private final AnswerHead head;
    private final Tally tally = new Tally();

    ChatChunks(ChatCall call, AnswerHead head) {
        this.call = call;
        this.head = head;
    }

    @Override
    public List<Object> frames(int prompt, ChatEvent event) {
        tally.count(event);
        return switch (event) {
            case Started started -> roles();
            case Text text -> text(text);
            case ChoiceFinished finished ->
                List.of(frame(new ChatChunk.Choice(
                        finished.choice(),
                        ChatChunk.Delta.NOTHING,
                        null,
                        Tally.finishReason(finished.reason()),
                        finished.stopReason(),
                        null)));
            case PromptScored scored -> List.of();
            case Completed completed -> List.of();
            case Failed failed -> List.of();
        };
    }

    /** In ascending order: the Python client puts choices into a list as they first appear. */
    private List<Object> roles() {
        List<Object> frames = new ArrayList<>();
        for (int choice = 0; choice < call.request().n(); choice++) {
            frames.add(delta(choice, new ChatChunk.Delta("assistant", ""), null, null));
        }
        if (!call.echoed().isEmpty()) {
            for (int choice = 0; choice < call.request().n(); choice++) {
                frames.add(delta(choice, new ChatChunk.Delta(null, call.echoed()), null, null));
            }
        }
        return frames;
    }

    private List<Object> text(Text text) {
        boolean tokensShown = call.logprobs() || call.tokenForm().returnIds();
        if (text.text().isEmpty() && !(tokensShown && !text.ids().isEmpty())) {
            return List.of();
        }
        ChatLogprobs logprobs = call.logprobs() ? ChatLogprobs.of(text.logprobs(), call.tokenForm()) : null;
        List<Integer> ids = call.tokenForm().returnIds() ? text.ids() : null;
        return List.of(delta(text.choice(), new ChatChunk.Delta(null, text.text()), logprobs, ids));
    }

    @Override
    public List<Object> closing() {
        return call.streaming().includeUsage() ? List.of(chunk(List.of(), Optional.of(tally.total()))) : List.of();
    }

    private ChatChunk delta(int choice, ChatChunk.Delta delta, ChatLogprobs logprobs, List<Integer> ids) {
        return frame(new ChatChunk.Choice(choice, delta, logprobs, null, null, ids));
    }

    @SuppressWarnings("OptionalAssignedToNull") // null leaves the key out, empty writes null
    private ChatChunk frame(ChatChunk.Choice choice) {
        if (call.streaming().continuousUsage()) {
            return chunk(List.of(choice), Optional.of(tally.soFar()));
        }
        return chunk(List.of(choice), call.streaming().includeUsage() ? Optional.empty() : null);
    }

    private ChatChunk chunk(List<ChatChunk.Choice> choices, Optional<Usage> usage) {
        return new ChatChunk(
                head.id(), "chat.completion.chunk", head.created(), head.model(), head.fingerprint(), choices, usage);
    }
}
