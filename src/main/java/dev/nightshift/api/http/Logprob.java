package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.chat.ChatEvent.TokenLogprob;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** A prompt token's entry in vLLM's {@code prompt_logprobs}, and what all forms of log-probabilities share. */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record Logprob(
        float logprob,
        Integer rank,
        @JsonProperty("decoded_token") String decodedToken) {
    /** What OpenAI and vLLM write where JSON has no minus infinity. */
    static final float FLOOR = -9999.0f;

    static float finite(float logprob) {
        return logprob >= FLOOR ? logprob : FLOOR;
    }

    static List<Integer> bytes(TokenLogprob token) {
        byte[] bytes = token.bytes();
        return IntStream.range(0, bytes.length).mapToObj(i -> bytes[i] & 0xff).toList();
    }

    /** vLLM's {@code prompt_logprobs}: per token its id and the likely ids with their scores; null for the first token. */
    static List<Map<String, Logprob>> prompt(List<TokenLogprob> tokens) {
        List<Map<String, Logprob>> entries = new ArrayList<>(tokens.size());
        for (TokenLogprob token : tokens) {
            entries.add(Float.isNaN(token.logprob()) ? null : entry(token));
        }
        return entries;
    }

    private static Map<String, Logprob> entry(TokenLogprob token) {
        Map<String, Logprob> entry = new LinkedHashMap<>();
        entry.put(Integer.toString(token.id()), new Logprob(finite(token.logprob()), null, token.token()));
        for (int i = 0; i < token.top().size(); i++) {
            TokenLogprob top = token.top().get(i);
            entry.put(Integer.toString(top.id()), new Logprob(finite(top.logprob()), i + 1, top.token()));
        }
        return entry;
    }
}
