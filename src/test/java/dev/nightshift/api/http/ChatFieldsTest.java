package dev.nightshift.api.http;

import static dev.nightshift.api.http.RequestFields.chat;
import static dev.nightshift.api.http.RequestFields.messages;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.chat.ChatRequest;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.ChatPrompt;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChatFieldsTest {
    /** Parameter and value, as JSON. */
    private static final List<String> WRONG = List.of(
            "temperature|\"hot\"",
            "temperature|-0.1",
            "temperature|2.01",
            "temperature|true",
            "temperature|[1]",
            "top_p|0",
            "top_p|1.1",
            "top_p|\"1\"",
            "top_k|-2",
            "top_k|1.5",
            "min_p|1.5",
            "min_p|-1",
            "repetition_penalty|0",
            "repetition_penalty|-1",
            "presence_penalty|2.1",
            "frequency_penalty|-2.1",
            "n|0",
            "n|9",
            "n|1.5",
            "n|\"2\"",
            "max_tokens|0",
            "max_tokens|-1",
            "max_tokens|1e12",
            "max_tokens|99999999999",
            "max_completion_tokens|0",
            "max_completion_tokens|\"5\"",
            "min_tokens|-1",
            "min_tokens|257",
            "seed|1.5",
            "seed|9223372036854775808",
            "seed|\"1\"",
            "stream|1",
            "stream|\"true\"",
            "stop|7",
            "stop|[\"a\",7]",
            "stop|\"\"",
            "stop|[\"a\",\"\"]",
            "stop|[1]",
            "stop_token_ids|512",
            "stop_token_ids|[512]",
            "stop_token_ids|[-1]",
            "stop_token_ids|[\"1\"]",
            "logit_bias|[1]",
            "logit_bias|{\"x\":1}",
            "logit_bias|{\"512\":1}",
            "logit_bias|{\"999999\":1}",
            "logit_bias|{\"-1\":1}",
            "logit_bias|{\"1\":101}",
            "logit_bias|{\"1\":\"a\"}",
            "logit_bias|{\"1\":1,\"2\":1,\"3\":1,\"4\":1}",
            "logprobs|1",
            "logprobs|\"yes\"",
            "top_logprobs|5",
            "top_logprobs|21",
            "top_logprobs|-1",
            "prompt_logprobs|21",
            "ignore_eos|1",
            "cache_salt|7",
            "user|7",
            "metadata|[1]",
            "metadata|{\"a\":7}",
            "response_format|\"text\"",
            "response_format|{}",
            "response_format|{\"type\":\"json_object\"}",
            "response_format|{\"type\":\"json_schema\"}",
            "response_format|{\"type\":7}",
            "tools|7",
            "tools|[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]",
            "tool_choice|\"auto\"",
            "tool_choice|\"required\"",
            "functions|[{\"name\":\"f\"}]",
            "function_call|\"auto\"",
            "parallel_tool_calls|1",
            "modalities|[\"audio\"]",
            "modalities|\"text\"",
            "audio|{}",
            "web_search_options|{}",
            "chat_template|\"{{ 1 }}\"",
            "chat_template_kwargs|[1]",
            "documents|7",
            "documents|[7]",
            "add_generation_prompt|\"no\"",
            "stream_options|{\"include_usage\":true}",
            "stream_options|7",
            "structured_outputs|{}",
            "guided_json|{}",
            "bad_words|[\"x\"]",
            "allowed_token_ids|[1]",
            "truncate_prompt_tokens|5",
            "use_beam_search|true",
            "add_special_tokens|true",
            "reasoning_effort|7");

    private static void refuses(ThrowingCallable call, String param) {
        ServingException refusal = catchThrowableOfType(ServingException.class, call);
        assertThat(refusal).as("refused").isNotNull();
        assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
        assertThat(refusal.param()).contains(param);
        assertThat(refusal.getMessage()).contains(param.replaceAll("\\W.*", ""));
    }

    private static ChatPrompt prompt(ChatCall call) {
        return ((ChatRequest.Messages) call.request().prompt()).chat();
    }

    @ParameterizedTest
    @FieldSource("WRONG")
    void refusesTheWrongTypeOrRangeNamingTheParameter(String pair) {
        String name = pair.substring(0, pair.indexOf('|'));
        String value = pair.substring(pair.indexOf('|') + 1);
        ServingException refusal =
                catchThrowableOfType(ServingException.class, () -> chat("\"%s\":%s".formatted(name, value)));
        assertThat(refusal).as("%s = %s refused", name, value).isNotNull();
        assertThat(refusal.code().httpStatus()).isEqualTo(400);
        assertThat(refusal.param().orElse("")).startsWith(name);
        assertThat(refusal.getMessage()).contains(name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "temperature",
                "top_p",
                "top_k",
                "n",
                "max_tokens",
                "max_completion_tokens",
                "seed",
                "stop",
                "stream",
                "stream_options",
                "logit_bias",
                "logprobs",
                "top_logprobs",
                "tools",
                "tool_choice",
                "functions",
                "response_format",
                "chat_template",
                "documents",
                "metadata",
                "user",
                "min_tokens",
                "stop_token_ids",
                "structured_outputs",
                "parallel_tool_calls",
                "modalities",
                "reasoning_effort",
                "cache_salt",
                "echo",
                "some_private_field"
            })
    void anExplicitNullIsAnAbsentField(String name) {
        ChatCall with = chat("\"seed\":1,\"%s\":null".formatted(name));
        ChatRequest expected = chat(name.equals("seed") ? "" : "\"seed\":1").request();
        assertThat(with.request())
                .usingRecursiveComparison()
                .ignoringFields("sampling.seed")
                .isEqualTo(expected);
    }

    @Test
    void takesEveryKnownFieldAndPassesOverUnknownOnes() {
        ChatRequest request = chat("""
                "temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.1,"repetition_penalty":1.1,"presence_penalty":-2,
                "frequency_penalty":2,"seed":-5,"n":3,"max_tokens":7,"max_completion_tokens":9,"stop":["a","b"],
                "stop_token_ids":[3,4],"min_tokens":2,"ignore_eos":true,"include_stop_str_in_output":true,
                "skip_special_tokens":false,"logit_bias":{"5":-100,"6":0.5},"logprobs":true,"top_logprobs":4,
                "prompt_logprobs":2,"cache_salt":"tenant","x_private":{"a":1},"store":false,"service_tier":"auto",
                "metadata":{"k":"v"},"verbosity":"low","parallel_tool_calls":true,"response_format":{"type":"text"},
                "tools":[],"tool_choice":"none","modalities":["text"]""").request();
        SamplingParameters expected = new SamplingParameters(
                0.5f, 40, 0.9f, 0.1f, 1.1f, -2, 2, -5, Map.of(5, -100f, 6, 0.5f), List.of(3, 4), 2, true, 4);
        assertThat(request.sampling()).isEqualTo(expected);
        assertThat(request.seeded()).isTrue();
        assertThat(request.maxNewTokens()).as("max_completion_tokens wins").contains(9);
        assertThat(request.stops()).containsExactly("a", "b");
        assertThat(request.includeStop()).isTrue();
        assertThat(request.skipSpecialTokens()).isFalse();
        assertThat(request.n()).isEqualTo(3);
        assertThat(request.promptTopLogprobs()).isEqualTo(2);
        assertThat(request.cacheSalt()).isEqualTo("tenant");
    }

    @Test
    void whatIsAbsentIsTheModelsDefaultAndOpenAis() {
        ChatRequest request = chat("").request();
        assertThat(request.sampling().temperature()).isEqualTo(1);
        assertThat(request.sampling().topLogprobs()).isEqualTo(-1);
        assertThat(request.maxNewTokens()).isEmpty();
        assertThat(request.seeded()).isFalse();
        assertThat(request.skipSpecialTokens()).isTrue();
        assertThat(prompt(chat("")).addGenerationPrompt()).isTrue();
        assertThat(chat("").request().sampling().seed())
                .isNotEqualTo(chat("").request().sampling().seed());
    }

    @Test
    void logprobsAloneAskForNoAlternatives() {
        assertThat(chat("\"logprobs\":true").request().sampling().topLogprobs()).isZero();
        assertThat(chat("\"logprobs\":false,\"top_logprobs\":0")
                        .request()
                        .sampling()
                        .topLogprobs())
                .isEqualTo(-1);
    }

    @Test
    void topKOffIsZeroOrMinusOne() {
        assertThat(chat("\"top_k\":-1").request().sampling().topK()).isZero();
        assertThat(chat("\"top_k\":0").request().sampling().topK()).isZero();
    }

    @Test
    void wholeFloatsCountAsIntegers() {
        assertThat(chat("\"max_tokens\":5.0").request().maxNewTokens()).contains(5);
    }

    @Test
    void takesSixteenStopStringsButNotSeventeenNorTooLongOnes() {
        String sixteen = "\"x\",".repeat(15) + "\"x\"";
        assertThat(chat("\"stop\":[" + sixteen + "]").request().stops()).hasSize(16);
        refuses(() -> chat("\"stop\":[" + sixteen + ",\"x\"]"), "stop");
        refuses(() -> chat("\"stop\":\"" + "x".repeat(33) + "\""), "stop");
    }

    @Test
    void aBillionTokensAreNoReasonToAllocate() {
        assertThat(chat("\"max_tokens\":1000000000").request().maxNewTokens()).contains(1_000_000_000);
    }

    @Test
    void streamOptionsNeedAStream() {
        StreamFields streaming =
                chat("\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_obfuscation\":false}")
                        .streaming();
        assertThat(streaming).isEqualTo(new StreamFields(true, true, false));
        assertThat(chat("\"stream\":true,\"stream_options\":{}").streaming())
                .isEqualTo(new StreamFields(true, false, false));
        refuses(() -> chat("\"stream\":true,\"stream_options\":{\"include_usage\":1}"), "stream_options.include_usage");
        refuses(() -> chat("\"stream\":true,\"prompt_logprobs\":1"), "prompt_logprobs");
    }

    @Test
    void continuingAndAGenerationPromptExcludeEachOther() {
        refuses(() -> chat("\"continue_final_message\":true,\"add_generation_prompt\":true"), "continue_final_message");
        ChatPrompt continued = prompt(chat("\"continue_final_message\":true"));
        assertThat(continued.continueFinalMessage()).isTrue();
        assertThat(continued.addGenerationPrompt()).isFalse();
    }

    @Test
    void minTokensStayBelowTheAnswersLength() {
        refuses(() -> chat("\"min_tokens\":6,\"max_tokens\":5"), "min_tokens");
    }

    @Test
    void choicesBeyondWhatTheEngineTakesAreRefused() {
        ServingException refusal = catchThrowableOfType(
                ServingException.class,
                () -> ChatFields.read(
                        RequestFields.of(
                                "{\"model\":\"m\",\"n\":8,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"),
                        new RequestLimits(8, 20, 4, 20, 16, 32, 3, 5, 7),
                        RequestFields.MODEL));
        assertThat(refusal.param()).contains("n");
    }

    @Test
    void reasoningEffortNoneTurnsThinkingOffUnlessTheKwargsSayOtherwise() {
        assertThat(prompt(chat("\"reasoning_effort\":\"none\"")).templateArguments())
                .isEqualTo(Map.of("reasoning_effort", "none", "enable_thinking", false));
        assertThat(prompt(chat("\"reasoning_effort\":\"none\",\"chat_template_kwargs\":{\"enable_thinking\":true}"))
                        .templateArguments())
                .containsEntry("enable_thinking", true);
    }

    @Test
    void metadataIsBounded() {
        refuses(() -> chat("\"metadata\":{\"" + "k".repeat(65) + "\":\"v\"}"), "metadata");
        StringBuilder pairs = new StringBuilder();
        for (int i = 0; i < 17; i++) {
            pairs.append(i == 0 ? "" : ",").append("\"k").append(i).append("\":\"v\"");
        }
        refuses(() -> chat("\"metadata\":{" + pairs + "}"), "metadata");
    }

    @Test
    void modelAndMessagesAreRequired() {
        refuses(
                () -> ChatFields.read(RequestFields.of("{\"messages\":[]}"), RequestFields.LIMITS, RequestFields.MODEL),
                "model");
        refuses(
                () -> ChatFields.read(RequestFields.of("{\"model\":\"m\"}"), RequestFields.LIMITS, RequestFields.MODEL),
                "messages");
        refuses(() -> messages("[]"), "messages");
        refuses(() -> messages("null"), "messages");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[7]|messages[0]",
                "{}|messages",
                "[{\"role\":\"assistant\",\"function_call\":7}]|messages[0].function_call"
            })
    void refusesWhatIsNoListOfMessages(String json, String param) {
        refuses(() -> messages(json), param);
    }

    @Test
    void refusesMoreMessagesThanTheLimit() {
        String one = "{\"role\":\"user\",\"content\":\"a\"}";
        refuses(() -> messages("[" + (one + ",").repeat(5) + one + "]"), "messages");
    }

    @Test
    void messagesKeepTheirKeysInOrderAndADeprecatedCallBecomesAToolCall() {
        List<Map<String, Object>> read = prompt(messages("""
                [{"content":"a","role":"user","name":"n"},
                 {"role":"assistant","content":null,"function_call":{"name":"h","arguments":"{}"},"tool_calls":null}]""")).messages();
        assertThat(read.get(0).keySet()).containsExactly("content", "role", "name");
        assertThat(read.get(1).get("tool_calls"))
                .isEqualTo(List.of(Map.of("type", "function", "function", Map.of("name", "h", "arguments", "{}"))));
        assertThat(read.get(1)).doesNotContainKey("function_call");
    }
}
