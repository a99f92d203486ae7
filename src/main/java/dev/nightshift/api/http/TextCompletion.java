package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The answer to a text completion; a streamed frame has the same form.
 *
 * @param usage null = no such key, empty = {@code null} on the wire
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record TextCompletion(
        String id,
        String object,
        long created,
        String model,
        @JsonProperty("system_fingerprint") String systemFingerprint,
        List<Choice> choices,
        Optional<Usage> usage) {

    /** One answer; of a stream, what is new of it. */
    public record Choice(
            int index,
            String text,
            @JsonInclude(JsonInclude.Include.ALWAYS) TextLogprobs logprobs,

            @JsonInclude(JsonInclude.Include.ALWAYS) @JsonProperty("finish_reason")
            String finishReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("stop_reason")
            Object stopReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("prompt_logprobs")
            List<Map<String, Logprob>> promptLogprobs,

            @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("token_ids")
            List<Integer> tokenIds) {}
}
