package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.ListValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.CompleteRequest;
import dev.nightshift.proto.v1.ContentPart;
import dev.nightshift.proto.v1.Conversation;
import dev.nightshift.proto.v1.Message;
import dev.nightshift.proto.v1.Prompt;
import dev.nightshift.proto.v1.Sampling;
import dev.nightshift.proto.v1.Text;
import dev.nightshift.proto.v1.TokenIds;
import dev.nightshift.proto.v1.ToolCall;
import dev.nightshift.template.ChatPrompt;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class RequestReaderTest {
    private static final SamplingParameters DEFAULTS =
            new SamplingParameters(0.6f, 20, 0.95f, 0, 1.1f, 0, 0, 0, Map.of(), List.of(), 0, false, -1);
    private static final RequestTerms TERMS =
            new RequestTerms("tiny", 512, 2048, DEFAULTS, new CallLimits(8, 20, 4, 32, 3, 5, 320));
    private final RequestReader reader = new RequestReader(TERMS);

    private static CompleteRequest.Builder hello() {
        return CompleteRequest.newBuilder()
                .setPrompt(
                        Prompt.newBuilder().setChat(Conversation.newBuilder().addMessages(message("user", "Hello"))));
    }

    private static Message.Builder message(String role, String... texts) {
        Message.Builder message = Message.newBuilder().setRole(role);
        for (String text : texts) {
            message.addContent(ContentPart.newBuilder().setText(text));
        }
        return message;
    }

    private ChatPrompt chat(Conversation.Builder chat) {
        CompleteRequest request = CompleteRequest.newBuilder()
                .setPrompt(Prompt.newBuilder().setChat(chat))
                .build();
        return ((ChatRequest.Messages) reader.read(request, Optional.empty()).prompt()).chat();
    }

    @Test
    void absentFieldsTakeTheModelsDefaults() {
        ChatRequest request = reader.read(hello().build(), Optional.empty());
        assertThat(request.model()).isEqualTo("tiny");
        assertThat(request.sampling().temperature()).isEqualTo(0.6f);
        assertThat(request.sampling().topK()).isEqualTo(20);
        assertThat(request.sampling().topP()).isEqualTo(0.95f);
        assertThat(request.sampling().repetitionPenalty()).isEqualTo(1.1f);
        assertThat(request.sampling().topLogprobs()).isEqualTo(-1);
        assertThat(request.seeded()).isFalse();
        assertThat(request.maxNewTokens()).isEmpty();
        assertThat(request.n()).isEqualTo(1);
        assertThat(request.promptTopLogprobs()).isEqualTo(-1);
        assertThat(request.skipSpecialTokens()).isTrue();
    }

    @Test
    void zeroIsAValueAndNotAnAbsentField() {
        CompleteRequest request = hello().setSampling(
                        Sampling.newBuilder().setTemperature(0).setTopK(0).setSeed(0))
                .setSkipSpecialTokens(false)
                .setTopLogprobs(0)
                .build();
        ChatRequest read = reader.read(request, Optional.empty());
        assertThat(read.sampling().temperature()).isZero();
        assertThat(read.sampling().topK()).isZero();
        assertThat(read.sampling().seed()).isZero();
        assertThat(read.sampling().topLogprobs()).isZero();
        assertThat(read.seeded()).isTrue();
        assertThat(read.skipSpecialTokens()).isFalse();
    }

    @Test
    void everyFieldReachesTheDomain() {
        Instant deadline = Instant.ofEpochSecond(1_800_000_000);
        CompleteRequest request = hello().setModel("support-bot@3")
                .setMaxTokens(64)
                .addStop("END")
                .setIncludeStop(true)
                .setN(2)
                .setTopLogprobs(5)
                .setPromptTopLogprobs(1)
                .setCacheSalt("tenant")
                .setSampling(Sampling.newBuilder()
                        .setTemperature(1.5f)
                        .setTopP(0.5f)
                        .setMinP(0.1f)
                        .setPresencePenalty(-1)
                        .setFrequencyPenalty(1)
                        .setSeed(-7)
                        .putLogitBias(3, -100)
                        .addStopTokenIds(9)
                        .setMinTokens(2)
                        .setIgnoreEos(true))
                .build();
        ChatRequest read = reader.read(request, Optional.of(deadline));
        assertThat(read)
                .isEqualTo(new ChatRequest(
                        "support-bot@3",
                        read.prompt(),
                        new SamplingParameters(
                                1.5f, 20, 0.5f, 0.1f, 1.1f, -1, 1, -7, Map.of(3, -100f), List.of(9), 2, true, 5),
                        true,
                        Optional.of(64),
                        List.of("END"),
                        true,
                        true,
                        2,
                        1,
                        "tenant",
                        Optional.of(deadline)));
    }

    @Test
    void aHistoryWithToolCallsReachesTheTemplateAsObjects() {
        ChatPrompt prompt = chat(Conversation.newBuilder()
                .addMessages(message("developer", "Be brief"))
                .addMessages(message("user", "one", "two"))
                .addMessages(Message.newBuilder()
                        .setRole("assistant")
                        .addToolCalls(ToolCall.newBuilder()
                                .setId("call_1")
                                .setName("add")
                                .setArguments("{\"b\": 5, \"a\": 1.0, \"deep\": [null, true]}")))
                .addMessages(message("tool", "6").setToolCallId("call_1")));
        assertThat(prompt.messages().get(0)).containsEntry("role", "system").containsEntry("content", "Be brief");
        assertThat(prompt.messages().get(1))
                .containsEntry(
                        "content",
                        List.of(Map.of("type", "text", "text", "one"), Map.of("type", "text", "text", "two")));
        Map<?, ?> call = (Map<?, ?>) ((List<?>) prompt.messages().get(2).get("tool_calls")).getFirst();
        Map<?, ?> function = (Map<?, ?>) call.get("function");
        assertThat(call.get("type")).isEqualTo("function");
        assertThat(function.get("arguments")).asString().isEqualTo("{b=5, a=1.0, deep=[null, true]}");
        assertThat(prompt.messages().get(2)).containsEntry("content", "");
        assertThat(prompt.messages().get(3)).containsEntry("tool_call_id", "call_1");
        assertThat(prompt.tools()).isNull();
        assertThat(prompt.documents()).isNull();
        assertThat(prompt.addGenerationPrompt()).isTrue();
    }

    @Test
    void wholeNumbersOfAStructArePrintedWithoutAPoint() {
        Struct arguments = Struct.newBuilder()
                .putFields("k", number(3))
                .putFields("x", number(0.5))
                .putFields(
                        "list",
                        Value.newBuilder()
                                .setListValue(ListValue.newBuilder().addValues(number(-1)))
                                .build())
                .build();
        ChatPrompt prompt =
                chat(Conversation.newBuilder().addMessages(message("user", "x")).setTemplateArguments(arguments));
        assertThat(prompt.templateArguments())
                .containsEntry("k", 3L)
                .containsEntry("x", 0.5)
                .containsEntry("list", List.of(-1L));
    }

    private static Value number(double value) {
        return Value.newBuilder().setNumberValue(value).build();
    }

    @Test
    void continuingTheLastMessageAsksForNoNewTurn() {
        ChatPrompt prompt = chat(Conversation.newBuilder()
                .addMessages(message("user", "x"))
                .addMessages(message("assistant", "It"))
                .setContinueFinalMessage(true));
        assertThat(prompt.addGenerationPrompt()).isFalse();
        assertThat(prompt.continueFinalMessage()).isTrue();
    }

    static Stream<Arguments> wrongRequests() {
        return Stream.of(
                wrong("prompt", r -> r.clearPrompt()),
                wrong(
                        "prompt.chat.messages",
                        r -> r.setPrompt(Prompt.newBuilder().setChat(Conversation.newBuilder()))),
                wrong(
                        "prompt.chat.messages[0].role",
                        r -> r.setPrompt(Prompt.newBuilder()
                                .setChat(Conversation.newBuilder().addMessages(message("wizard", "x"))))),
                wrong(
                        "prompt.chat.messages[0].tool_call_id",
                        r -> r.setPrompt(Prompt.newBuilder()
                                .setChat(Conversation.newBuilder().addMessages(message("tool", "x"))))),
                wrong(
                        "prompt.chat.messages[0].tool_calls[0].arguments",
                        r -> r.setPrompt(Prompt.newBuilder()
                                .setChat(Conversation.newBuilder()
                                        .addMessages(Message.newBuilder()
                                                .setRole("assistant")
                                                .addToolCalls(ToolCall.newBuilder()
                                                        .setName("f")
                                                        .setArguments("[1]")))))),
                wrong(
                        "prompt.chat.tools",
                        r -> r.getPromptBuilder().getChatBuilder().addTools(Struct.newBuilder())),
                wrong("prompt.ids", r -> r.setPrompt(Prompt.newBuilder().setIds(TokenIds.newBuilder()))),
                wrong(
                        "prompt.ids",
                        r -> r.setPrompt(
                                Prompt.newBuilder().setIds(TokenIds.newBuilder().addIds(512)))),
                wrong(
                        "prompt.ids",
                        r -> r.setPrompt(
                                Prompt.newBuilder().setIds(TokenIds.newBuilder().addIds(-1)))),
                wrong("sampling.temperature", r -> r.getSamplingBuilder().setTemperature(2.5f)),
                wrong("sampling.temperature", r -> r.getSamplingBuilder().setTemperature(Float.NaN)),
                wrong("sampling.top_p", r -> r.getSamplingBuilder().setTopP(0)),
                wrong("sampling.min_p", r -> r.getSamplingBuilder().setMinP(-0.1f)),
                wrong("sampling.repetition_penalty", r -> r.getSamplingBuilder().setRepetitionPenalty(0)),
                wrong(
                        "sampling.presence_penalty",
                        r -> r.getSamplingBuilder().setPresencePenalty(Float.POSITIVE_INFINITY)),
                wrong("sampling.logit_bias", r -> r.getSamplingBuilder().putLogitBias(512, 1)),
                wrong("sampling.logit_bias", r -> r.getSamplingBuilder().putLogitBias(1, 101)),
                wrong("sampling.stop_token_ids", r -> r.getSamplingBuilder().addStopTokenIds(600)),
                wrong(
                        "sampling.min_tokens",
                        r -> r.setMaxTokens(3).getSamplingBuilder().setMinTokens(4)),
                wrong("max_tokens", r -> r.setMaxTokens(0)),
                wrong("n", r -> r.setN(0)),
                wrong("n", r -> r.setN(9)),
                wrong("top_logprobs", r -> r.setTopLogprobs(21)),
                wrong("stop", r -> r.addStop("")),
                wrong("stop", r -> r.addAllStop(List.of("a", "b", "c", "d", "e"))),
                wrong("stop", r -> r.addStop("x".repeat(33))));
    }

    private static Arguments wrong(String field, Consumer<CompleteRequest.Builder> change) {
        return Arguments.of(field, change);
    }

    @ParameterizedTest
    @MethodSource("wrongRequests")
    void whatIsOutOfRangeIsRefusedNamingTheField(String field, Consumer<CompleteRequest.Builder> change) {
        CompleteRequest.Builder request = hello();
        change.accept(request);
        ServingException failure =
                catchThrowableOfType(ServingException.class, () -> reader.read(request.build(), Optional.empty()));
        assertThat(failure).isNotNull();
        assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
        assertThat(failure.param()).contains(field);
        assertThat(failure.getMessage()).startsWith(field);
    }

    @Test
    void aTextTakesTheModelsOwnSpecialTokensUnlessToldNotTo() {
        assertThat(reader.prompt(Prompt.newBuilder()
                        .setText(Text.newBuilder().setText("x"))
                        .build()))
                .isEqualTo(new ChatRequest.Text("x", true));
        assertThat(reader.prompt(Prompt.newBuilder()
                        .setText(Text.newBuilder().setText("x").setAddSpecialTokens(false))
                        .build()))
                .isEqualTo(new ChatRequest.Text("x", false));
    }
}
