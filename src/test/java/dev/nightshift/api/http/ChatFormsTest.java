package dev.nightshift.api.http;

import static dev.nightshift.api.http.RequestFields.chat;
import static dev.nightshift.api.http.Script.HEAD;
import static dev.nightshift.api.http.Script.frames;
import static dev.nightshift.api.http.Script.json;
import static dev.nightshift.api.http.Script.length;
import static dev.nightshift.api.http.Script.scored;
import static dev.nightshift.api.http.Script.stop;
import static dev.nightshift.api.http.Script.text;
import static dev.nightshift.api.http.Script.token;
import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.engine.FinishReason;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChatFormsTest {
    private static final ChatEvent STARTED = new ChatEvent.Started(5);

    private static String frame(String choice) {
        return frame(choice, "");
    }

    private static String frame(String choice, String tail) {
        return "{\"id\":\"id-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\","
                + "\"system_fingerprint\":\"fp_x\",\"choices\":[" + choice + "]" + tail + "}";
    }

    private static ChatAnswer answered(String fields, ChatEvent... events) {
        ChatAnswer answer = new ChatAnswer(chat(fields), HEAD, null);
        for (ChatEvent event : events) {
            answer.accept(0, event);
        }
        return answer;
    }

    @Test
    void roleComesOnceThenTextThenTheFinishReason() {
        assertThat(frames(
                        new ChatChunks(chat("\"stream\":true"), HEAD),
                        STARTED,
                        text(0, "Hel", 1),
                        text(0, "lo", 2),
                        stop(0, 3),
                        new ChatEvent.Completed(5, 3, 0)))
                .containsExactly(
                        frame(
                                "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}"),
                        frame("{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"logprobs\":null,\"finish_reason\":null}"),
                        frame("{\"index\":0,\"delta\":{\"content\":\"lo\"},\"logprobs\":null,\"finish_reason\":null}"),
                        frame("{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}"));
    }

    @Test
    void textHeldBackMakesNoEmptyFrames() {
        assertThat(frames(
                        new ChatChunks(chat("\"stream\":true"), HEAD),
                        STARTED,
                        text(0, "", 1),
                        text(0, "", 2),
                        text(0, "🙂", 3),
                        stop(0, 3)))
                .hasSize(3);
    }

    @Test
    void usageIsInTheLastFrameAloneAndNullInAllOthers() {
        List<String> frames = frames(
                new ChatChunks(chat("\"stream\":true,\"stream_options\":{\"include_usage\":true}"), HEAD),
                STARTED,
                text(0, "a", 1),
                stop(0, 1),
                new ChatEvent.Completed(5, 1, 4));
        assertThat(frames).hasSize(4);
        assertThat(frames.subList(0, 3)).allSatisfy(frame -> assertThat(frame).endsWith("],\"usage\":null}"));
        assertThat(frames.getLast())
                .isEqualTo(
                        frame(
                                "",
                                ",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6,"
                                        + "\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":0}}"));
    }

    @Test
    void unaskedUsageGivesNoUsageKeyAndNoFrameWithoutChoices() {
        assertThat(frames(
                        new ChatChunks(chat("\"stream\":true,\"stream_options\":{}"), HEAD),
                        STARTED,
                        text(0, "a", 1),
                        stop(0, 1),
                        new ChatEvent.Completed(5, 1, 4)))
                .allSatisfy(frame -> assertThat(frame).doesNotContain("usage").doesNotContain("\"choices\":[]"));
    }

    @Test
    void continuousUsageCountsWhatWasSent() {
        List<String> frames = frames(
                new ChatChunks(
                        chat(
                                "\"stream\":true,\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}"),
                        HEAD),
                STARTED,
                text(0, "a", 1),
                text(0, "b", 2, 3),
                stop(0, 3),
                new ChatEvent.Completed(5, 3, 0));
        assertThat(frames.get(1)).contains("\"completion_tokens\":1");
        assertThat(frames.get(2)).contains("\"completion_tokens\":3");
    }

    @Test
    void choicesAppearInAscendingOrderAndEachHasItsFinishReason() {
        List<String> frames = frames(
                new ChatChunks(chat("\"stream\":true,\"n\":3"), HEAD),
                STARTED,
                text(2, "c", 1),
                text(0, "a", 1),
                stop(2, 1),
                length(0, 1),
                stop(1, 0));
        assertThat(frames.subList(0, 3).stream().map(frame -> frame.replaceAll(".*\"index\":(\\d).*", "$1")))
                .containsExactly("0", "1", "2");
        assertThat(frames.stream().filter(frame -> frame.contains("\"role\""))).hasSize(3);
        assertThat(frames.stream().filter(frame -> !frame.contains("\"finish_reason\":null")))
                .hasSize(3);
        assertThat(frames.get(6)).contains("\"index\":0").contains("\"finish_reason\":\"length\"");
    }

    @Test
    void noToolCallsKeyAppearsWithoutTools() {
        assertThat(frames(new ChatChunks(chat("\"stream\":true"), HEAD), STARTED, text(0, "a", 1), stop(0, 1)))
                .noneMatch(frame -> frame.contains("tool_calls"));
        assertThat(json(answered("", STARTED, text(0, "a", 1), stop(0, 1)).answer()))
                .doesNotContain("tool_calls");
    }

    @Test
    void theWholeAnswerHasEveryKeyThatClientsDemand() {
        assertThat(json(answered(
                                "",
                                STARTED,
                                text(0, "Hi", 1, 2),
                                text(0, "!", 3),
                                stop(0, 4),
                                new ChatEvent.Completed(5, 4, 2))
                        .answer()))
                .isEqualTo(
                        "{\"id\":\"id-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"m\",\"choices\":[{"
                                + "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi!\",\"refusal\":null},\"logprobs\":null,"
                                + "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":4,\"total_tokens\":9,"
                                + "\"prompt_tokens_details\":{\"cached_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":0}},"
                                + "\"system_fingerprint\":\"fp_x\"}");
    }

    @Test
    void logprobsAloneShowEntriesWithoutAlternatives() {
        String answer = json(answered("\"logprobs\":true", STARTED, scored(0, "Hi", token(1, "Hi", -0.5f)), stop(0, 1))
                .answer());
        assertThat(answer)
                .contains(
                        "\"logprobs\":{\"content\":[{\"token\":\"Hi\",\"logprob\":-0.5,\"bytes\":[72,105],\"top_logprobs\":[]}],"
                                + "\"refusal\":null}");
    }

    @Test
    void bytesOfHalfACharacterAreItsRawBytes() {
        var half = new ChatEvent.TokenLogprob(7, "\ufffd", new byte[] {(byte) 0xf0, (byte) 0x9f}, -1, List.of());
        assertThat(json(answered("\"logprobs\":true", STARTED, scored(0, "", half), stop(0, 1))
                        .answer()))
                .contains("\"bytes\":[240,159]");
    }

    @Test
    void minusInfinityBecomesANumberThatJsonHas() {
        var sure = token(1, "a", 0f, token(1, "a", 0f), token(2, "b", Float.NEGATIVE_INFINITY));
        assertThat(json(answered("\"logprobs\":true,\"top_logprobs\":2", STARTED, scored(0, "a", sure), stop(0, 1))
                        .answer()))
                .contains("\"logprob\":-9999.0")
                .doesNotContain("Infinity");
    }

    @Test
    void streamedLogprobsOfHeldBackTextAreNotLost() {
        var first = token(1, "\ufffd", -1);
        var second = token(2, "\ufffd", -2);
        List<String> frames = frames(
                new ChatChunks(chat("\"stream\":true,\"logprobs\":true"), HEAD),
                STARTED,
                scored(0, "", first),
                scored(0, "é", second),
                stop(0, 2));
        assertThat(frames.stream().filter(frame -> frame.contains("\"logprob\":-1.0")))
                .hasSize(1);
        assertThat(frames.stream().filter(frame -> frame.contains("\"logprob\":-2.0")))
                .hasSize(1);
    }

    @Test
    void stopReasonsAndTokenIdsShowWhereTheyAre() {
        String answer = json(answered(
                        "\"return_token_ids\":true",
                        STARTED,
                        text(0, "a", 11, 12),
                        new ChatEvent.ChoiceFinished(0, FinishReason.STOP, "END", 3))
                .answer());
        assertThat(answer).contains("\"stop_reason\":\"END\"").contains("\"token_ids\":[11,12]");
        assertThat(json(answered(
                                "\"logprobs\":true,\"return_tokens_as_token_ids\":true",
                                STARTED,
                                scored(0, "a", token(11, "a", -1)),
                                stop(0, 1))
                        .answer()))
                .contains("\"token\":\"token_id:11\"");
    }

    @Test
    void promptLogprobsBeginWithNull() {
        String answer = json(answered(
                        "\"prompt_logprobs\":1",
                        STARTED,
                        new ChatEvent.PromptScored(
                                0, List.of(token(3, "a", Float.NaN), token(4, "b", -2, token(9, "z", -1)))),
                        stop(0, 0))
                .answer());
        assertThat(answer)
                .contains("\"prompt_logprobs\":[null,{\"4\":{\"logprob\":-2.0,\"rank\":null,\"decoded_token\":\"b\"},"
                        + "\"9\":{\"logprob\":-1.0,\"rank\":1,\"decoded_token\":\"z\"}}]");
    }

    @Test
    void anEchoedMessageComesFirst() {
        ChatCall call = ChatFields.read(
                RequestFields.of("{\"model\":\"m\",\"echo\":true,\"continue_final_message\":true,\"messages\":["
                        + "{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Well, \"}]}"),
                RequestFields.LIMITS,
                RequestFields.MODEL);
        ChatAnswer answer = new ChatAnswer(call, HEAD, null);
        List.of(STARTED, text(0, "hello", 1), stop(0, 1)).forEach(event -> answer.accept(0, event));
        assertThat(answer.answer().choices().getFirst().message().content()).isEqualTo("Well, hello");
        assertThat(frames(new ChatChunks(call, HEAD), STARTED).get(1)).contains("\"content\":\"Well, \"");
    }
}
