package dev.nightshift.api.http;

/**
 * Bounds of a request's fields, from the settings {@code nightshift.limits.*}.
 *
 * @param sequences choices of all prompts together: what the engine can run and queue at all
 */
public record RequestLimits(
        int choices,
        int bestOf,
        int prompts,
        int logprobs,
        int stops,
        int stopLength,
        int logitBias,
        int messages,
        int sequences) {}
