package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Optional;

/**
 * One frame of a streamed chat completion.
 *
 * @param usage null = no such key, empty = {@code null} on the wire
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record ChatChunk(
        String id,
        String object,
        long created,
        String model,
        @JsonProperty("system_fingerprint") String systemFingerprint,
        List<Choice> choices,
        Optional<Usage> usage) {

    /** What is new of one answer; {@code finish_reason} is a key of every frame and set in the last. */
    public record Choice(
            int index,
            Delta delta,
            @JsonInclude(JsonInclude.Include.ALWAYS) ChatLogprobs logprobs,

            @JsonInclude(JsonInclude.Include.ALWAYS) @JsonProperty("finish_reason")
            String finishReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("stop_reason")
            Object stopReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("token_ids")
            List<Integer> tokenIds) {}

    /** The role once, then text. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Delta(String role, String content) {
        static final Delta NOTHING = new Delta(null, null);
    }
}
