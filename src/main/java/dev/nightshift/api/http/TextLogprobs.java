package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.chat.ChatEvent.TokenLogprob;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Log-probabilities as text completions show them: parallel arrays. The first token of an echoed prompt has no score: null.
 *
 * @param textOffset where each token begins in the choice's text
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record TextLogprobs(
        List<String> tokens,
        @JsonProperty("token_logprobs") List<Float> tokenLogprobs,
        @JsonProperty("top_logprobs") List<Map<String, Float>> topLogprobs,
        @JsonProperty("text_offset") List<Integer> textOffset) {

    /** @param offset of the first token in the choice's text, in characters */
    static TextLogprobs of(List<TokenLogprob> scored, TokenForm form, int topCount, int offset) {
        List<String> tokens = new ArrayList<>(scored.size());
        List<Float> logprobs = new ArrayList<>(scored.size());
        List<Map<String, Float>> tops = new ArrayList<>(scored.size());
        List<Integer> offsets = new ArrayList<>(scored.size());
        int at = offset;
        for (TokenLogprob token : scored) {
            boolean first = Float.isNaN(token.logprob());
            tokens.add(form.name(token.id(), token.token()));
            logprobs.add(first ? null : Logprob.finite(token.logprob()));
            tops.add(first ? null : top(token, form, topCount));
            offsets.add(at);
            at += token.token().length();
        }
        return new TextLogprobs(tokens, logprobs, tops, offsets);
    }

    /**
     * The likely tokens and the chosen one, with the same float for the chosen one as in {@code token_logprobs}: the
     * evaluation harness tells greedy tokens by comparing the two. Ids that decode alike keep keys of their own.
     */
    private static Map<String, Float> top(TokenLogprob token, TokenForm form, int topCount) {
        Map<String, Float> top = new LinkedHashMap<>();
        for (TokenLogprob likely :
                token.top().subList(0, Math.min(topCount, token.top().size()))) {
            put(top, form, likely, Logprob.finite(likely.logprob()));
        }
        boolean listed = token.top().stream().limit(topCount).anyMatch(likely -> likely.id() == token.id());
        if (!listed) {
            put(top, form, token, Logprob.finite(token.logprob()));
        }
        return top;
    }

    private static void put(Map<String, Float> top, TokenForm form, TokenLogprob token, float logprob) {
        String name = form.name(token.id(), token.token());
        top.put(top.containsKey(name) ? "token_id:" + token.id() : name, logprob);
    }
}
