package dev.nightshift.api.http;

import static dev.nightshift.api.http.RequestFields.completion;
import static dev.nightshift.api.http.Script.HEAD;
import static dev.nightshift.api.http.Script.json;
import static dev.nightshift.api.http.Script.length;
import static dev.nightshift.api.http.Script.scored;
import static dev.nightshift.api.http.Script.stop;
import static dev.nightshift.api.http.Script.text;
import static dev.nightshift.api.http.Script.token;
import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatEvent.TokenLogprob;
import java.util.List;
import org.junit.jupiter.api.Test;

class CompletionFormsTest {
    private static final ChatEvent STARTED = new ChatEvent.Started(3);

    /** The harness's request: prompt of three ids, one new token. */
    private static final CompletionCall HARNESS =
            completion("[[1,2,3]]", "\"echo\":true,\"max_tokens\":1,\"logprobs\":1");

    private static final TokenLogprob BEST = token(2, " b", -0.25f);

    private static final ChatEvent PROMPT = new ChatEvent.PromptScored(
            0,
            List.of(
                    token(1, "a", Float.NaN),
                    token(2, " b", -0.25f, BEST),
                    token(3, " c", -3.5f, token(9, " z", -0.125f))));

    @Test
    void echoGivesThePromptsTokensAndExactlyOneMoreWithTheFirstNull() {
        CompletionAnswer answer = new CompletionAnswer(HARNESS, HEAD, List.of("a b c"));
        List.of(STARTED, PROMPT, scored(0, " d", token(4, " d", -1, token(4, " d", -1))), length(0, 1))
                .forEach(event -> answer.accept(0, event));
        TextCompletion.Choice choice = answer.answer().choices().getFirst();
        assertThat(choice.text()).isEqualTo("a b c d");
        assertThat(choice.logprobs().tokens()).containsExactly("a", " b", " c", " d");
        assertThat(choice.logprobs().tokenLogprobs()).containsExactly(null, -0.25f, -3.5f, -1f);
        assertThat(choice.logprobs().topLogprobs().getFirst()).isNull();
        assertThat(choice.logprobs().textOffset()).containsExactly(0, 1, 3, 5);
    }

    @Test
    void theGreedyTestOfTheHarnessHoldsForTheBestTokenAlone() {
        TextLogprobs logprobs =
                TextLogprobs.of(((ChatEvent.PromptScored) PROMPT).tokens(), new TokenForm(false, false), 1, 0);
        assertThat(logprobs.topLogprobs().get(1)).containsOnlyKeys(" b").containsEntry(" b", -0.25f);
        assertThat(logprobs.topLogprobs().get(2)).containsOnlyKeys(" z", " c");
        assertThat(logprobs.topLogprobs().get(2).values().stream().max(Float::compare))
                .contains(-0.125f);
    }

    @Test
    void idsThatDecodeAlikeKeepKeysOfTheirOwn() {
        TextLogprobs logprobs = TextLogprobs.of(
                List.of(token(1, "\ufffd", -2, token(5, "\ufffd", -1), token(6, "\ufffd", -1.5f))),
                new TokenForm(false, false),
                2,
                0);
        assertThat(logprobs.topLogprobs().getFirst()).containsOnlyKeys("\ufffd", "token_id:6", "token_id:1");
    }

    @Test
    void logprobsZeroShowTheChosenToken() {
        TextLogprobs logprobs =
                TextLogprobs.of(List.of(token(1, "a", -2, token(5, "b", -1))), new TokenForm(false, false), 0, 0);
        assertThat(logprobs.topLogprobs().getFirst()).containsOnlyKeys("a");
    }

    @Test
    void choiceJOfPromptIHasIndexITimesNPlusJ() {
        CompletionCall call = completion("[\"a\",\"b\"]", "\"n\":2");
        CompletionAnswer answer = new CompletionAnswer(call, HEAD, List.of());
        for (int prompt = 1; prompt >= 0; prompt--) {
            answer.accept(prompt, STARTED);
            for (int choice = 1; choice >= 0; choice--) {
                answer.accept(prompt, text(choice, prompt + "-" + choice, 1));
                answer.accept(prompt, stop(choice, 1));
            }
            answer.accept(prompt, new ChatEvent.Completed(3, 2, 1));
        }
        TextCompletion whole = answer.answer();
        assertThat(whole.choices().stream().map(TextCompletion.Choice::text))
                .containsExactly("0-0", "0-1", "1-0", "1-1");
        assertThat(whole.choices().stream().map(TextCompletion.Choice::index)).containsExactly(0, 1, 2, 3);
        assertThat(whole.usage()).contains(Usage.of(6, 4, 2));
    }

    @Test
    void streamedChoicesHaveTheSameIndexesAndForm() {
        CompletionChunks chunks =
                new CompletionChunks(completion("[\"a\",\"b\"]", "\"n\":2,\"stream\":true"), HEAD, List.of());
        assertThat(chunks.frames(1, STARTED)).isEmpty();
        assertThat(json(chunks.frames(1, text(1, "x", 4)).getFirst()))
                .isEqualTo("{\"id\":\"id-1\",\"object\":\"text_completion\",\"created\":1700000000,\"model\":\"m\","
                        + "\"system_fingerprint\":\"fp_x\",\"choices\":[{\"index\":3,\"text\":\"x\",\"logprobs\":null,"
                        + "\"finish_reason\":null}]}");
        assertThat(json(chunks.frames(1, length(1, 1)).getFirst()))
                .contains("\"text\":\"\"")
                .contains("\"finish_reason\":\"length\"");
    }

    @Test
    void aStreamEchoesThePromptFirst() {
        CompletionChunks plain =
                new CompletionChunks(completion("\"a b\"", "\"echo\":true,\"stream\":true"), HEAD, List.of("a b"));
        assertThat(json(plain.frames(0, STARTED).getFirst())).contains("\"text\":\"a b\"");
        CompletionChunks scored = new CompletionChunks(
                completion("[[1,2,3]]", "\"echo\":true,\"stream\":true,\"logprobs\":1"), HEAD, List.of("a b c"));
        assertThat(scored.frames(0, STARTED)).isEmpty();
        assertThat(json(scored.frames(0, PROMPT).getFirst()))
                .contains("\"text\":\"a b c\"")
                .contains("\"token_logprobs\":[null,-0.25,-3.5]");
        assertThat(json(scored.frames(0, scored(0, " d", token(4, " d", -1))).getFirst()))
                .contains("\"text_offset\":[5]");
    }

    @Test
    void logprobsWithoutEchoAreTheAnswersAlone() {
        CompletionAnswer answer = new CompletionAnswer(completion("\"a\"", "\"logprobs\":0"), HEAD, List.of());
        List.of(STARTED, scored(0, "x", token(4, "x", -1)), stop(0, 1)).forEach(event -> answer.accept(0, event));
        assertThat(answer.answer().choices().getFirst().logprobs().tokens()).containsExactly("x");
        assertThat(json(answer.answer())).contains("\"top_logprobs\":[{\"x\":-1.0}]");
    }
}
