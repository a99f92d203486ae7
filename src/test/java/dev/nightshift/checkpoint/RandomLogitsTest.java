package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.model.BatchLimits;
import dev.nightshift.model.OpenModel;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** A random shape computes like a model: nothing overflows, nothing dies out, and what it says can be decoded. */
class RandomLogitsTest {
    private static final int KNOWN_TOKENS = 4096;

    @Test
    void logitsAreFiniteSpreadAndLieOnIdsOfTheTokenizer() {
        BatchLimits limits = new BatchLimits(16, 1, 16, 1);
        ModelSource source = ModelSource.parse(Optional.of("random:smollm2-135m"));
        int[] ids = {5, 900, 31, 4000, 77, 77, 1024, 8, 2048, 600, 3, 1500, 99, 2, 4095, 0};
        try (OpenModel model = OpenModel.open("cpu", source, limits, 1, false)) {
            float[] logits = model.logits(ids);
            int vocab = model.checkpoint().config().vocabSize();
            for (int row = 0; row < ids.length; row++) {
                boolean finite = true;
                double known = 0;
                double all = 0;
                double squares = 0;
                for (int id = 0; id < vocab; id++) {
                    float logit = logits[row * vocab + id];
                    finite &= Float.isFinite(logit);
                    double weight = Math.exp(logit);
                    all += weight;
                    known += id < KNOWN_TOKENS ? weight : 0;
                    squares += id < KNOWN_TOKENS ? (double) logit * logit : 0;
                }
                assertThat(finite).isTrue();
                assertThat(Math.sqrt(squares / KNOWN_TOKENS)).isBetween(2.0, 8.0);
                assertThat(known / all).isGreaterThan(0.95);
            }
        }
    }
}
