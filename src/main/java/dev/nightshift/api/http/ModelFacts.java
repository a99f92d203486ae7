package dev.nightshift.api.http;

import dev.nightshift.chat.ChatModel;
import dev.nightshift.engine.SamplingParameters;

/**
 * What a request's fields are checked against beside the limits.
 *
 * @param contextMax tokens of prompt and answer together
 * @param defaults sampling where the request is silent: the model's own {@code generation_config}, else OpenAI's
 * @param fingerprint changes when the same seed may give another text
 */
record ModelFacts(int vocabSize, int contextMax, SamplingParameters defaults, String fingerprint) {

    static ModelFacts of(ChatModel model) {
        String digest = model.digest();
        return new ModelFacts(
                model.vocabSize(),
                model.contextMax(),
                model.sampling(),
                "fp_" + digest.substring(0, Math.min(12, digest.length())));
    }
}
