package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.engine.FinishReason;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.CompleteResponse;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReplyWriterTest {
    private final ReplyWriter reply = new ReplyWriter("chatcmpl-1", "tiny", 1_800_000_000L);

    private static ChatEvent.TokenLogprob token(int id, float logprob) {
        return new ChatEvent.TokenLogprob(id, "t" + id, new byte[] {(byte) id}, logprob, List.of());
    }

    @Test
    void gathersInterleavedChoices() {
        ReplyWriter.Gathered gathered = new ReplyWriter.Gathered(reply, 2);
        List.of(
                        new ChatEvent.Started(4),
                        new ChatEvent.PromptScored(0, List.of(token(1, Float.NaN), token(2, -0.5f))),
                        new ChatEvent.Text(1, "B", List.of(7), List.of(token(7, -1))),
                        new ChatEvent.Text(0, "A", List.of(8), List.of()),
                        new ChatEvent.Text(1, "b", List.of(9), List.of(token(9, -2))),
                        new ChatEvent.ChoiceFinished(1, FinishReason.STOP, "END", 3),
                        new ChatEvent.ChoiceFinished(0, FinishReason.LENGTH, null, 1),
                        new ChatEvent.Completed(4, 4, 3))
                .forEach(gathered::add);
        CompleteResponse response = gathered.response();
        assertThat(response.getId()).isEqualTo("chatcmpl-1");
        assertThat(response.getChoices(0).getText()).isEqualTo("A");
        assertThat(response.getChoices(0).hasStopReason()).isFalse();
        assertThat(response.getChoices(0).getPromptLogprobs(0).hasLogprob()).isFalse();
        assertThat(response.getChoices(0).getPromptLogprobs(1).getLogprob()).isEqualTo(-0.5f);
        assertThat(response.getChoices(1).getText()).isEqualTo("Bb");
        assertThat(response.getChoices(1).getLogprobsCount()).isEqualTo(2);
        assertThat(response.getChoices(1).getStopReason().getText()).isEqualTo("END");
        assertThat(response.getUsage().getCachedPromptTokens()).isEqualTo(3);
    }

    @Test
    void streamsAnEventAsOneMessage() {
        assertThat(reply.streamed(new ChatEvent.Started(4)).getStarted().getPromptTokens())
                .isEqualTo(4);
        assertThat(reply.streamed(new ChatEvent.Text(0, "hé", List.of(1, 2), List.of()))
                        .getDelta()
                        .getIdsList())
                .containsExactly(1, 2);
        assertThat(reply.streamed(new ChatEvent.ChoiceFinished(0, FinishReason.STOP, 2, 5))
                        .getChoiceFinished()
                        .getStopReason()
                        .getTokenId())
                .isEqualTo(2);
    }

    @Test
    void aFailureIsTheCallsStatusAndNoMessage() {
        ServingException failure = new ServingException(ErrorCode.NON_FINITE_LOGITS, "logits of step 3 are not finite");
        assertThatThrownBy(() -> reply.streamed(new ChatEvent.Failed(failure))).isSameAs(failure);
    }
}
