package dev.nightshift.api.http;

import static dev.nightshift.api.http.Api.CHAT;
import static dev.nightshift.api.http.Api.chat;
import static dev.nightshift.api.http.Api.content;
import static dev.nightshift.api.http.Api.ok;
import static dev.nightshift.api.http.Api.post;
import static dev.nightshift.api.http.Api.quoted;
import static dev.nightshift.api.http.Api.stream;
import static dev.nightshift.api.http.Api.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Chat completions of the embedded model. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class ChatApiTest {
    private static final String ASK = "Tell me about the moon.";

    @Test
    void answersAndCounts() {
        JsonNode answer = ok(CHAT, chat(ASK, "\"max_tokens\":20"));
        assertThat(answer.get("id").asText()).matches("chatcmpl-[0-9a-f]{32}");
        assertThat(answer.get("object").asText()).isEqualTo("chat.completion");
        assertThat(answer.get("model").asText()).isEqualTo("nightshift-tiny");
        assertThat(content(answer)).isNotBlank();
        assertThat(answer.at("/choices/0/finish_reason").asText()).isIn("length", "stop");
        assertThat(answer.at("/usage/total_tokens").intValue())
                .isEqualTo(answer.at("/usage/prompt_tokens").intValue()
                        + answer.at("/usage/completion_tokens").intValue());
        assertThat(answer.at("/usage/completion_tokens").intValue()).isBetween(1, 20);
    }

    @Test
    void aStreamHasTheSameTextReasonAndUsageAsTheWholeAnswer() {
        String body = chat(ASK, "\"max_tokens\":40");
        JsonNode whole = ok(CHAT, body);
        List<JsonNode> frames = stream(
                CHAT, chat(ASK, "\"max_tokens\":40,\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        assertThat(text(frames, 0)).isEqualTo(content(whole));
        JsonNode usage = frames.getLast().get("usage");
        assertThat(usage.get("prompt_tokens")).isEqualTo(whole.at("/usage/prompt_tokens"));
        assertThat(usage.get("completion_tokens")).isEqualTo(whole.at("/usage/completion_tokens"));
        assertThat(frames.get(frames.size() - 2).at("/choices/0/finish_reason"))
                .isEqualTo(whole.at("/choices/0/finish_reason"));
    }

    @Test
    void aSeedGivesTheSameTextAgainAndAnotherSeedAnother() {
        String seven = chat(ASK, "\"max_tokens\":24,\"seed\":7").replace("\"temperature\":0", "\"temperature\":1.5");
        String first = content(ok(CHAT, seven));
        assertThat(content(ok(CHAT, seven))).isEqualTo(first);
        assertThat(content(ok(CHAT, seven.replace("\"seed\":7", "\"seed\":8")))).isNotEqualTo(first);
    }

    @Test
    void choicesOfNDifferUnderTemperatureAndAreAlikeWithout() {
        JsonNode greedy = ok(CHAT, chat(ASK, "\"max_tokens\":8,\"n\":3"));
        assertThat(greedy.get("choices")).hasSize(3);
        assertThat(greedy.at("/choices/2/message")).isEqualTo(greedy.at("/choices/0/message"));
        JsonNode drawn = ok(
                CHAT,
                chat(ASK, "\"max_tokens\":24,\"n\":3,\"seed\":1").replace("\"temperature\":0", "\"temperature\":1.5"));
        assertThat(drawn.at("/choices/1/message")).isNotEqualTo(drawn.at("/choices/0/message"));
    }

    @Test
    void theStopStringEndsTheTextExactlyAndNoPartOfItIsStreamed() {
        String free = content(ok(CHAT, chat(ASK, "\"max_tokens\":40")));
        // from the middle of one word into the next, so that it begins and ends inside tokens
        int from = free.indexOf(' ', 12) - 2;
        String stop = free.substring(from, from + 5);
        String fields = "\"max_tokens\":40,\"stop\":" + quoted(stop);
        JsonNode whole = ok(CHAT, chat(ASK, fields));
        assertThat(content(whole)).isEqualTo(free.substring(0, free.indexOf(stop)));
        assertThat(whole.at("/choices/0/finish_reason").asText()).isEqualTo("stop");
        assertThat(whole.at("/choices/0/stop_reason").asText()).isEqualTo(stop);
        List<JsonNode> frames = stream(CHAT, chat(ASK, fields + ",\"stream\":true"));
        assertThat(text(frames, 0)).isEqualTo(content(whole));
        assertThat(frames.subList(1, frames.size() - 1))
                .as("no run of empty deltas")
                .noneMatch(
                        frame -> frame.at("/choices/0/delta/content").asText().isEmpty());
        JsonNode included = ok(CHAT, chat(ASK, fields + ",\"include_stop_str_in_output\":true"));
        assertThat(content(included)).isEqualTo(content(whole) + stop);
    }

    @Test
    void stopIdsMinTokensAndIgnoreEosAreHonoured() {
        JsonNode free = ok(CHAT, chat(ASK, "\"max_tokens\":12,\"return_token_ids\":true,\"ignore_eos\":true"));
        assertThat(free.at("/usage/completion_tokens").intValue()).isEqualTo(12);
        int third = free.at("/choices/0/token_ids/2").intValue();
        JsonNode stopped = ok(CHAT, chat(ASK, "\"max_tokens\":12,\"stop_token_ids\":[" + third + "]"));
        assertThat(stopped.at("/choices/0/finish_reason").asText()).isEqualTo("stop");
        assertThat(stopped.at("/choices/0/stop_reason").intValue()).isEqualTo(third);
        JsonNode later = ok(CHAT, chat(ASK, "\"max_tokens\":12,\"min_tokens\":12,\"stop_token_ids\":[" + third + "]"));
        assertThat(later.at("/usage/completion_tokens").intValue()).isEqualTo(12);
    }

    @Test
    void biasChangesTheChoice() {
        JsonNode free = ok(CHAT, chat(ASK, "\"max_tokens\":1,\"return_token_ids\":true"));
        int first = free.at("/choices/0/token_ids/0").intValue();
        JsonNode biased = ok(
                CHAT, chat(ASK, "\"max_tokens\":1,\"return_token_ids\":true,\"logit_bias\":{\"" + first + "\":-100}"));
        assertThat(biased.at("/choices/0/token_ids/0").intValue()).isNotEqualTo(first);
    }

    @Test
    void logprobsHaveTheAskedAlternativesWithTheirBytes() {
        JsonNode content = ok(CHAT, chat(ASK, "\"max_tokens\":6,\"logprobs\":true,\"top_logprobs\":3"))
                .at("/choices/0/logprobs/content");
        assertThat(content.size()).isPositive();
        for (JsonNode token : content) {
            assertThat(token.get("top_logprobs")).hasSize(3);
            assertThat(token.get("logprob").doubleValue()).isLessThanOrEqualTo(0);
            assertThat(token.at("/top_logprobs/0/logprob"))
                    .as("greedy: the best one was chosen")
                    .isEqualTo(token.get("logprob"));
            assertThat(token.get("bytes").isArray()).isTrue();
        }
    }

    @Test
    void theOldAndTheNewNameOfTheLengthLimitWork() {
        assertThat(ok(CHAT, chat(ASK, "\"max_completion_tokens\":3,\"ignore_eos\":true"))
                        .at("/usage/completion_tokens")
                        .intValue())
                .isEqualTo(3);
        assertThat(ok(CHAT, chat(ASK, "\"max_tokens\":9,\"max_completion_tokens\":3,\"ignore_eos\":true"))
                        .at("/usage/completion_tokens")
                        .intValue())
                .isEqualTo(3);
    }

    @Test
    void anUnknownModelIsA404ThatNamesTheKnownOnes() {
        for (String more : List.of("\"max_tokens\":1", "\"max_tokens\":1,\"stream\":true")) {
            post(CHAT, chat(ASK, more).replace("nightshift-tiny", "gpt-4o"))
                    .then()
                    .statusCode(404)
                    .body("error.code", equalTo("model_not_found"))
                    .body("error.param", equalTo("model"))
                    .body("error.message", containsString("nightshift-tiny"));
        }
    }

    @Test
    void aPromptLargerThanTheContextIsA400AlsoAsAStream() {
        for (String more : List.of("\"max_tokens\":1", "\"max_tokens\":1,\"stream\":true")) {
            post(CHAT, chat("word ".repeat(3000), more))
                    .then()
                    .statusCode(400)
                    .body("error.code", equalTo("context_length_exceeded"))
                    .body("error.param", equalTo("messages"))
                    .body("error.message", containsString("1024"));
        }
    }

    @Test
    void aBillionTokensAreA400() {
        post(CHAT, chat(ASK, "\"max_tokens\":1000000000"))
                .then()
                .statusCode(400)
                .body("error.code", equalTo("context_length_exceeded"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]",
                "\"response_format\":{\"type\":\"json_schema\"}",
                "\"response_format\":{\"type\":\"json_object\"}",
                "\"logit_bias\":{\"999999\":1}",
                "\"chat_template\":\"x\"",
                "\"temperature\":\"hot\"",
                "\"stop_token_ids\":[4096]"
            })
    void whatCannotBeHonouredIsA400NotSilence(String field) {
        post(CHAT, chat(ASK, field + ",\"stream\":true"))
                .then()
                .statusCode(400)
                .body("error.type", equalTo("invalid_request_error"))
                .body("error.param", containsString(field.substring(1, field.indexOf('"', 1))));
    }

    @Test
    void unknownFieldsAndExplicitNullsChangeNothing() {
        String plain = content(ok(CHAT, chat(ASK, "\"max_tokens\":5")));
        assertThat(
                        content(
                                ok(
                                        CHAT,
                                        chat(
                                                ASK,
                                                "\"max_tokens\":5,\"x_private\":{\"a\":[1]},\"top_p\":null,\"stop\":null,\"tools\":null"))))
                .isEqualTo(plain);
        assertThat(content(ok(CHAT, chat(ASK, "\"max_tokens\":5,\"tools\":[]"))))
                .isEqualTo(plain);
    }

    @Test
    void historiesWithToolsTwoUserTurnsAndPartsAreServed() {
        for (String messages : List.of(
                "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}]",
                "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]",
                "[{\"role\":\"developer\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"a\",\"name\":\"n\"}]",
                "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\","
                        + "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},"
                        + "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"7\"}]")) {
            ok(CHAT, "{\"model\":\"nightshift-tiny\",\"max_tokens\":2,\"messages\":" + messages + "}");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[{\"role\":\"bot\",\"content\":\"a\"}]|messages[0].role",
                "[{\"role\":\"user\",\"content\":7}]|messages[0].content",
                "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]|messages[0].content[0].type",
                "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"tool\",\"content\":\"a\"}]|messages[1].tool_call_id",
                "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}]|messages[0].tool_calls[0].function.arguments"
            })
    void messagesThatCannotBeReadAreA400WithTheirPlace(String pair) {
        String[] parts = pair.split("\\|");
        post(CHAT, "{\"model\":\"nightshift-tiny\",\"messages\":" + parts[0] + "}")
                .then()
                .statusCode(400)
                .body("error.param", equalTo(parts[1]));
    }

    @Test
    void aFinalMessageIsContinuedAndEchoed() {
        String body =
                "{\"model\":\"nightshift-tiny\",\"temperature\":0,\"max_tokens\":4,\"continue_final_message\":true,\"echo\":true,"
                        + "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"The moon is\"}]}";
        assertThat(content(ok(CHAT, body))).startsWith("The moon is");
    }

    @Test
    void promptLogprobsBeginWithNull() {
        JsonNode answer = ok(CHAT, chat("Hi", "\"max_tokens\":1,\"prompt_logprobs\":1"));
        JsonNode scored = answer.get("prompt_logprobs");
        assertThat(scored.size()).isEqualTo(answer.at("/usage/prompt_tokens").intValue());
        assertThat(scored.get(0).isNull()).isTrue();
        assertThat(scored.get(1).size()).isBetween(1, 2);
    }
}
