package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonProperty;

/** Tokens that a request cost. */
public record Usage(
        @JsonProperty("prompt_tokens") int promptTokens,
        @JsonProperty("completion_tokens") int completionTokens,
        @JsonProperty("total_tokens") int totalTokens,
        @JsonProperty("prompt_tokens_details") PromptDetails promptDetails,
        @JsonProperty("completion_tokens_details") CompletionDetails completionDetails) {

    /** How many of the prompt's tokens came from the prefix cache. */
    public record PromptDetails(
            @JsonProperty("cached_tokens") int cachedTokens) {}

    /** How many of the answer's tokens were reasoning. */
    public record CompletionDetails(
            @JsonProperty("reasoning_tokens") int reasoningTokens) {}

    static Usage of(int promptTokens, int completionTokens, int cachedTokens) {
        return new Usage(
                promptTokens,
                completionTokens,
                promptTokens + completionTokens,
                new PromptDetails(cachedTokens),
                new CompletionDetails(0));
    }
}
