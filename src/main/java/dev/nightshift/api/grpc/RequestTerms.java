package dev.nightshift.api.grpc;

import dev.nightshift.engine.SamplingParameters;

/**
 * What a request is checked against, and what stands in for its absent fields.
 *
 * @param baseModel the name that an empty {@code model} means
 * @param contextMax tokens of prompt and answer together
 * @param defaults sampling where the request is silent
 * @param sequences choices that the engine can run and queue at all
 */
public record RequestTerms(
        String baseModel,
        int vocabSize,
        int contextMax,
        SamplingParameters defaults,
        int choicesMax,
        int logprobsMax,
        int stopsMax,
        int stopLengthMax,
        int logitBiasMax,
        int messagesMax,
        int sequences) {}
