package dev.nightshift;

import dev.nightshift.checkpoint.GenerationDefaults;
import dev.nightshift.engine.SamplingParameters;
import java.util.List;
import java.util.Map;

/** Sampling of requests that say nothing: the model's wish, else OpenAI's defaults. */
final class SamplingDefaults {

    private SamplingDefaults() {}

    static SamplingParameters of(GenerationDefaults wish) {
        return new SamplingParameters(
                (float) wish.temperature().orElse(1),
                wish.topK().orElse(0),
                (float) wish.topP().orElse(1),
                (float) wish.minP().orElse(0),
                (float) wish.repetitionPenalty().orElse(1),
                0,
                0,
                0,
                Map.of(),
                List.of(),
                0,
                false,
                -1);
    }
}
