package dev.nightshift.api.http;

import static dev.nightshift.api.http.RequestFields.completion;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.chat.ChatRequest;
import dev.nightshift.failure.ServingException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CompletionFieldsTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "7|''|prompt",
                "null|''|prompt",
                "{}|''|prompt",
                "\"\"|''|prompt",
                "[]|''|prompt",
                "[[]]|''|prompt[0]",
                "[\"a\",\"\"]|''|prompt[1]",
                "[\"a\",7]|''|prompt[1]",
                "[1,\"a\"]|''|prompt[1]",
                "[[1],\"a\",[\"b\"]]|''|prompt[2]",
                "[512]|''|prompt[0]",
                "[-1]|''|prompt[0]",
                "[1.5]|''|prompt[0]",
                "[[1],[999]]|''|prompt[1]",
                "[\"a\",\"a\",\"a\",\"a\",\"a\"]|''|prompt",
                "[\"a\",\"a\"]|\"n\":6|prompt",
                "\"a\"|\"logprobs\":true|logprobs",
                "\"a\"|\"logprobs\":21|logprobs",
                "\"a\"|\"logprobs\":-1|logprobs",
                "\"a\"|\"max_tokens\":0|max_tokens",
                "\"a\"|\"max_tokens\":-1|max_tokens",
                "\"a\"|\"suffix\":\"b\"|suffix",
                "\"a\"|\"best_of\":2|best_of",
                "\"a\"|\"best_of\":0|best_of",
                "\"a\"|\"best_of\":21|best_of",
                "\"a\"|\"n\":2,\"best_of\":1|best_of",
                "\"a\"|\"echo\":\"yes\"|echo",
                "\"a\"|\"min_tokens\":17|min_tokens",
                "\"a\"|\"prompt_embeds\":\"x\"|prompt_embeds",
                "\"a\"|\"stream_options\":{}|stream_options"
            })
    void refusesNamingTheParameter(String prompt, String more, String param) {
        ServingException refusal = catchThrowableOfType(ServingException.class, () -> completion(prompt, more));
        assertThat(refusal).as("refused").isNotNull();
        assertThat(refusal.code().httpStatus()).isEqualTo(400);
        assertThat(refusal.param().orElse("")).startsWith(param);
    }

    @Test
    void readsTheRequestOfTheEvaluationHarness() {
        CompletionCall call = completion(
                "[[1,2,3],[4,5]]", "\"temperature\":0,\"max_tokens\":1,\"logprobs\":1,\"seed\":1234,\"echo\":true");
        assertThat(call.requests()).hasSize(2);
        assertThat(((ChatRequest.Ids) call.requests().get(1).prompt()).ids()).containsExactly(4, 5);
        ChatRequest first = call.requests().getFirst();
        assertThat(first.maxNewTokens()).contains(1);
        assertThat(first.promptTopLogprobs()).isEqualTo(1);
        assertThat(first.sampling().topLogprobs()).isEqualTo(1);
        assertThat(first.sampling().temperature()).isZero();
        assertThat(call.echo()).isTrue();
        assertThat(call.promptLogprobs()).isFalse();
    }

    @Test
    void takesAStringStringsIdsAndListsOfIds() {
        assertThat(completion("\"a\"", "").requests()).hasSize(1);
        assertThat(completion("[\"a\",\"b\"]", "").requests()).hasSize(2);
        assertThat(completion("[1,2]", "").requests()).hasSize(1);
        assertThat(completion("[[1,2],[3],\"a\"]", "").requests()).hasSize(3);
    }

    @Test
    void defaultsAreThoseOfOpenAi() {
        CompletionCall call = completion("\"a\"", "\"max_tokens\":null,\"best_of\":null,\"suffix\":\"\"");
        assertThat(call.requests().getFirst().maxNewTokens()).contains(16);
        assertThat(((ChatRequest.Text) call.requests().getFirst().prompt()).addSpecialTokens())
                .isTrue();
        assertThat(call.logprobs()).isEqualTo(-1);
    }

    @Test
    void logprobsZeroAskForTheChosenTokenAlone() {
        CompletionCall call = completion("\"a\"", "\"logprobs\":0");
        assertThat(call.logprobs()).isZero();
        assertThat(call.requests().getFirst().sampling().topLogprobs()).isZero();
        assertThat(call.requests().getFirst().promptTopLogprobs()).isEqualTo(-1);
    }

    @Test
    void echoWithoutTokensScoresThePromptOnly() {
        CompletionCall call = completion("\"a\"", "\"echo\":true,\"max_tokens\":0,\"logprobs\":0");
        assertThat(call.requests().getFirst().maxNewTokens()).contains(0);
        assertThat(call.requests().getFirst().promptTopLogprobs()).isZero();
    }

    @Test
    void bestOfThatEqualsNIsHonoured() {
        assertThat(completion("\"a\"", "\"n\":2,\"best_of\":2").choicesPerPrompt())
                .isEqualTo(2);
    }

    @Test
    void stopMayBeAnEmptyList() {
        assertThat(completion("\"a\"", "\"stop\":[]").requests().getFirst().stops())
                .isEqualTo(List.of());
    }
}
