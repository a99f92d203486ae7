package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.tensor.AttentionTrial.Chunk;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rotary embedding, the paged cache, attention. */
interface AttentionContract extends ContractSubject {

    private AttentionTrial trial(AttentionShape shape, boolean norms, int... lengths) {
        return new AttentionTrial(scene(), random("attention" + shape + norms), shape, norms, 2, lengths);
    }

    private static AttentionShape shape(int heads, int kvHeads, int headDim, int window) {
        return new AttentionShape(heads, kvHeads, headDim, window, (float) (1 / Math.sqrt(headDim)));
    }

    /** Heads, key heads, head size, window, q/k norm: all heads, grouped, one key head; sizes of real models and odd ones. */
    @ParameterizedTest
    @CsvSource({
        "4, 4, 16, 0, false",
        "9, 3, 64, 0, false",
        "8, 2, 128, 0, true",
        "7, 1, 32, 0, false",
        "1, 1, 2, 0, false",
        "3, 3, 10, 0, true",
        "4, 2, 16, 5, false",
        "4, 2, 16, 1, false",
        "6, 1, 26, 8, true"
    })
    default void attendsLikeTheFormula(int heads, int kvHeads, int headDim, int window, boolean norms) {
        AttentionTrial trial = trial(shape(heads, kvHeads, headDim, window), norms, 13, 1, 22);
        trial.step(new Chunk(0, 0, 7), new Chunk(1, 0, 1), new Chunk(2, 0, 9));
        trial.step(new Chunk(2, 9, 20), new Chunk(0, 7, 8));
        for (int p = 8; p < 10; p++) {
            trial.step(new Chunk(0, p, p + 1), new Chunk(2, p + 12, p + 13));
        }
        trial.step(new Chunk(0, 10, 13));
    }

    @Test
    default void longSequencesKeepTheirPrecision() {
        AttentionTrial trial = trial(shape(2, 1, 16, 0), false, 300);
        trial.step(new Chunk(0, 0, 207));
        trial.step(new Chunk(0, 207, 208));
        trial.step(new Chunk(0, 208, 300));
    }

    @Test
    default void paddingRowsWriteNothingAndGiveZeros() {
        AttentionTrial trial = trial(shape(4, 2, 16, 0), false, 9, 5);
        trial.step(new Chunk(0, 0, 5), new Chunk(1, 0, 4), new Chunk(-1, 0, 3));
        trial.step(new Chunk(1, 4, 5), new Chunk(-1, 0, 1));
        trial.step(new Chunk(0, 5, 9), new Chunk(-1, 0, 4));
    }

    @Test
    default void sequencesShareTheFullBlocksOfTheirPrefix() {
        AttentionTrial trial = trial(shape(4, 2, 16, 0), true, 11, 14, 9);
        trial.sharePrefix(0, 1, 8);
        trial.sharePrefix(0, 2, 4);
        trial.step(new Chunk(0, 0, 11));
        trial.step(new Chunk(1, 8, 12), new Chunk(2, 4, 9));
        trial.step(new Chunk(1, 12, 14));
    }

    @Test
    default void chunksGiveWhatTheWholePromptGives() {
        int length = 23;
        float[][] whole = trial(shape(6, 2, 32, 0), true, length).step(new Chunk(0, 0, length));
        for (int chunk : new int[] {1, 3, 4, 10}) {
            AttentionTrial trial = trial(shape(6, 2, 32, 0), true, length);
            for (int from = 0; from < length; from += chunk) {
                int to = Math.min(length, from + chunk);
                float[][] part = trial.step(new Chunk(0, from, to));
                if (bitExact()) {
                    assertThat(part).isDeepEqualTo(Arrays.copyOfRange(whole, from, to));
                }
            }
        }
    }
}
