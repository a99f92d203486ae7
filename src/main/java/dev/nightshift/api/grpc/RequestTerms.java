package dev.nightshift.api.grpc;

import dev.nightshift.chat.Chat;
import dev.nightshift.engine.SamplingParameters;

/**
 * What a request is checked against, and what stands in for its absent fields.
 *
 * @param baseModel the name that an empty {@code model} means
 * @param contextMax tokens of prompt and answer together
 * @param defaults sampling where the request is silent
 */
record RequestTerms(String baseModel, int vocabSize, int contextMax, SamplingParameters defaults, CallLimits limits) {

    static RequestTerms of(Chat chat, CallLimits limits) {
        return new RequestTerms(
                chat.catalog().ids().getFirst(),
                chat.model().vocabSize(),
                chat.model().contextMax(),
                chat.model().sampling(),
                limits);
    }
}
