package dev.nightshift.api.grpc;

import com.google.protobuf.ByteString;
import dev.nightshift.chat.ChatEvent;
import dev.nightshift.proto.v1.Choice;
import dev.nightshift.proto.v1.ChoiceFinished;
import dev.nightshift.proto.v1.CompleteResponse;
import dev.nightshift.proto.v1.CompleteStreamResponse;
import dev.nightshift.proto.v1.Delta;
import dev.nightshift.proto.v1.FinishReason;
import dev.nightshift.proto.v1.PromptScored;
import dev.nightshift.proto.v1.Started;
import dev.nightshift.proto.v1.StopReason;
import dev.nightshift.proto.v1.TokenLogprob;
import dev.nightshift.proto.v1.Usage;
import java.util.List;

/**
 * Events of one request as messages, one by one or gathered.
 *
 * @param created seconds since 1970
 */
record ReplyWriter(String id, String model, long created) {

    /** The message that a stream carries for an event. A failure is no message but the call's status. */
    CompleteStreamResponse streamed(ChatEvent event) {
        CompleteStreamResponse.Builder reply = CompleteStreamResponse.newBuilder();
        return switch (event) {
            case ChatEvent.Started started ->
                reply.setStarted(Started.newBuilder()
                                .setId(id)
                                .setModel(model)
                                .setCreated(created)
                                .setPromptTokens(started.promptTokens()))
                        .build();
            case ChatEvent.PromptScored scored ->
                reply.setPromptScored(PromptScored.newBuilder()
                                .setChoice(scored.choice())
                                .addAllLogprobs(logprobs(scored.tokens())))
                        .build();
            case ChatEvent.Text text ->
                reply.setDelta(Delta.newBuilder()
                                .setChoice(text.choice())
                                .setText(text.text())
                                .addAllIds(text.ids())
                                .addAllLogprobs(logprobs(text.logprobs())))
                        .build();
            case ChatEvent.ChoiceFinished finished ->
                reply.setChoiceFinished(finished(finished)).build();
            case ChatEvent.Completed completed ->
                reply.setCompleted(usage(completed)).build();
            case ChatEvent.Failed failed -> throw failed.failure();
        };
    }

    /** The whole answer, gathered from its events. */
    static final class Gathered {
        private final CompleteResponse.Builder response;
        private final StringBuilder[] texts;

        Gathered(ReplyWriter reply, int choices) {
            response = CompleteResponse.newBuilder()
                    .setId(reply.id())
                    .setModel(reply.model())
                    .setCreated(reply.created());
            texts = new StringBuilder[choices];
            for (int i = 0; i < choices; i++) {
                texts[i] = new StringBuilder();
                response.addChoices(Choice.newBuilder().setIndex(i));
            }
        }

        void add(ChatEvent event) {
            switch (event) {
                case ChatEvent.Started started -> {}
                case ChatEvent.PromptScored scored ->
                    response.getChoicesBuilder(scored.choice()).addAllPromptLogprobs(logprobs(scored.tokens()));
                case ChatEvent.Text text -> {
                    texts[text.choice()].append(text.text());
                    response.getChoicesBuilder(text.choice()).addAllLogprobs(logprobs(text.logprobs()));
                }
                case ChatEvent.ChoiceFinished finished -> {
                    ChoiceFinished end = ReplyWriter.finished(finished);
                    Choice.Builder choice = response.getChoicesBuilder(finished.choice());
                    choice.setText(texts[finished.choice()].toString()).setFinishReason(end.getFinishReason());
                    if (end.hasStopReason()) {
                        choice.setStopReason(end.getStopReason());
                    }
                }
                case ChatEvent.Completed completed -> response.setUsage(usage(completed));
                case ChatEvent.Failed failed -> throw failed.failure();
            }
        }

        CompleteResponse response() {
            return response.build();
        }
    }

    private static ChoiceFinished finished(ChatEvent.ChoiceFinished finished) {
        ChoiceFinished.Builder end = ChoiceFinished.newBuilder()
                .setChoice(finished.choice())
                .setCompletionTokens(finished.completionTokens())
                .setFinishReason(
                        switch (finished.reason()) {
                            case STOP -> FinishReason.FINISH_REASON_STOP;
                            case LENGTH -> FinishReason.FINISH_REASON_LENGTH;
                            case CANCELLED -> FinishReason.FINISH_REASON_CANCELLED;
                        });
        switch (finished.stopReason()) {
            case null -> {}
            case Integer id -> end.setStopReason(StopReason.newBuilder().setTokenId(id));
            case String text -> end.setStopReason(StopReason.newBuilder().setText(text));
            case Object other ->
                throw new IllegalStateException("stop reason " + other + " is neither a string nor a token id");
        }
        return end.build();
    }

    private static Usage usage(ChatEvent.Completed completed) {
        return Usage.newBuilder()
                .setPromptTokens(completed.promptTokens())
                .setCompletionTokens(completed.completionTokens())
                .setCachedPromptTokens(completed.cachedPromptTokens())
                .build();
    }

    private static List<TokenLogprob> logprobs(List<ChatEvent.TokenLogprob> tokens) {
        return tokens.stream().map(ReplyWriter::logprob).toList();
    }

    private static TokenLogprob logprob(ChatEvent.TokenLogprob token) {
        TokenLogprob.Builder message = TokenLogprob.newBuilder()
                .setId(token.id())
                .setToken(token.token())
                .setRaw(ByteString.copyFrom(token.bytes()))
                .addAllTop(logprobs(token.top()));
        if (!Float.isNaN(token.logprob())) {
            message.setLogprob(token.logprob());
        }
        return message.build();
    }
}
