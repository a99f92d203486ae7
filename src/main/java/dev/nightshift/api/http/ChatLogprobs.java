package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.chat.ChatEvent.TokenLogprob;
import java.util.List;

/** Log-probabilities as chat completions show them. */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record ChatLogprobs(List<Token> content, List<Token> refusal) {

    /** A chosen token with its alternatives. */
    public record Token(
            String token,
            float logprob,
            List<Integer> bytes,
            @JsonProperty("top_logprobs") List<Alternative> topLogprobs) {}

    /** One of the most likely tokens at a position. */
    public record Alternative(String token, float logprob, List<Integer> bytes) {}

    static ChatLogprobs of(List<TokenLogprob> tokens, TokenForm form) {
        return new ChatLogprobs(tokens.stream().map(token -> token(token, form)).toList(), null);
    }

    private static Token token(TokenLogprob scored, TokenForm form) {
        List<Alternative> alternatives = scored.top().stream()
                .map(top -> new Alternative(
                        form.name(top.id(), top.token()), Logprob.finite(top.logprob()), Logprob.bytes(top)))
                .toList();
        return new Token(
                form.name(scored.id(), scored.token()),
                Logprob.finite(scored.logprob()),
                Logprob.bytes(scored),
                alternatives);
    }
}
