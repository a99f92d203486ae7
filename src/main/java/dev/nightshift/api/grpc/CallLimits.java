package dev.nightshift.api.grpc;

/**
 * Bounds of a request's fields.
 *
 * @param stopLength characters of one stop string
 * @param sequences choices that the engine can run and queue at all
 */
public record CallLimits(
        int choices, int logprobs, int stops, int stopLength, int logitBias, int messages, int sequences) {}
