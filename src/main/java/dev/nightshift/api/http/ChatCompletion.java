package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Map;

/** The whole answer to a chat completion. */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record ChatCompletion(
        String id,
        String object,
        long created,
        String model,
        List<Choice> choices,
        Usage usage,
        @JsonProperty("system_fingerprint") String systemFingerprint,
        @JsonProperty("prompt_logprobs") List<Map<String, Logprob>> promptLogprobs,
        @JsonProperty("prompt_token_ids") List<Integer> promptTokenIds) {

    /** One answer of {@code n}. */
    public record Choice(
            int index,
            @JsonInclude(JsonInclude.Include.ALWAYS) Message message,
            @JsonInclude(JsonInclude.Include.ALWAYS) ChatLogprobs logprobs,
            @JsonProperty("finish_reason") String finishReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("stop_reason")
            Object stopReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("token_ids")
            List<Integer> tokenIds) {}

    /** What the model said. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Message(String role, String content, String refusal) {}
}
