package dev.nightshift.api.http;

import dev.nightshift.engine.SamplingParameters;

/**
 * What a request is checked against beside the limits.
 *
 * @param contextMax tokens of prompt and answer together
 * @param fingerprint changes when the same seed may give another text
 * @param defaults sampling where the request is silent: the model's own {@code generation_config}, else OpenAI's
 */
public record ModelFacts(int vocabSize, int contextMax, SamplingParameters defaults, String fingerprint) {}
