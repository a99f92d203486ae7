package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rotary embedding and attention of packed samples, forward and backward. */
interface TrainingAttentionContract extends TrainingSubject {

    /** Heads, key heads, head size, window, q/k norm. */
    @ParameterizedTest
    @CsvSource({"4, 4, 16, 0, false", "9, 3, 64, 0, true", "6, 1, 26, 5, false", "2, 1, 10, 1, true"})
    default void ropeForwardAndBackward(int heads, int kvHeads, int headDim, int window, boolean norms) {
        Random random = random("trainingRope" + heads + headDim);
        AttentionShape shape = new AttentionShape(heads, kvHeads, headDim, window, 0.3f);
        int rows = 13;
        int width = (heads + 2 * kvHeads) * headDim;
        double[] qkv = normal(random, rows * width, 1);
        double[] dOut = normal(random, rows * width, 1);
        double[] qNorm = norms ? normal(random, headDim, 1) : null;
        double[] kNorm = norms ? normal(random, headDim, 1) : null;
        double[] cosSin = new double[rows * headDim];
        for (int row = 0; row < rows; row++) {
            double[] angles = TrainingSubject.doubles(AttentionFormulas.cosSin(row * 3, headDim));
            System.arraycopy(angles, 0, cosSin, row * headDim, headDim);
        }
        Tensor qNorms = norms ? put(qNorm, headDim) : null;
        Tensor kNorms = norms ? put(kNorm, headDim) : null;
        Tensor in = put(qkv, rows, width);
        Tensor out = scene().output(rows, width);
        training().rope(out, in, qNorms, kNorms, 1e-6f, put(cosSin, rows, headDim), shape);
        assertClose("rope", out, TrainingFormulas.rope(qkv, qNorm, kNorm, 1e-6f, cosSin, shape));
        assertThat(TrainingSubject.doubles(scene().floats(in))).isEqualTo(qkv);
        if (!norms) {
            training().rope(in, in, null, null, 1e-6f, put(cosSin, rows, headDim), shape);
            assertClose("rope in place", in, TrainingFormulas.rope(qkv, null, null, 1e-6f, cosSin, shape));
        }
        Tensor gradient = put(dOut, rows, width);
        Tensor kept = norms ? in : null;
        training().ropeBackward(gradient, kept, qNorms, kNorms, 1e-6f, put(cosSin, rows, headDim), shape);
        assertClose(
                "rope backward",
                gradient,
                TrainingFormulas.ropeBackward(dOut, qkv, qNorm, kNorm, 1e-6f, cosSin, shape));
    }

    /** Heads, key heads, head size, window: samples of 1, 13, 40 and 16 rows, then padding rows of their own. */
    @ParameterizedTest
    @CsvSource({"4, 4, 16, 0", "9, 3, 64, 0", "6, 1, 26, 5", "2, 2, 8, 1"})
    default void attentionStaysInsideItsSample(int heads, int kvHeads, int headDim, int window) {
        Random random = random("packed" + heads + headDim);
        AttentionShape shape = new AttentionShape(heads, kvHeads, headDim, window, (float) (1 / Math.sqrt(headDim)));
        int[] starts = new int[73];
        Arrays.fill(starts, 1, 14, 1);
        Arrays.fill(starts, 14, 54, 14);
        Arrays.fill(starts, 54, 70, 54);
        Arrays.setAll(starts, i -> i >= 70 ? i : starts[i]);
        int rows = starts.length;
        int width = (heads + 2 * kvHeads) * headDim;
        int outWidth = heads * headDim;
        double[] qkv = normal(random, rows * width, 1);
        double[] dOut = normal(random, rows * outWidth, 1);
        Tensor in = put(qkv, rows, width);
        Tensor segments = scene().i32(starts, rows);
        Tensor out = scene().output(rows, outWidth);
        Tensor logSumExp = scene().output(rows, heads);
        // in any order of chunks: each writes its own rows
        for (int[] chunk : new int[][] {{20, 50}, {0, 20}, {50, rows}}) {
            training().packedAttention(out, logSumExp, in, segments, shape, chunk[0], chunk[1]);
        }
        assertClose("attention", out, TrainingFormulas.attention(qkv, starts, shape));
        assertClose("logSumExp", logSumExp, TrainingFormulas.logSumExp(qkv, starts, shape));

        double[] before = normal(random, rows * width, 1);
        double[] wanted =
                TrainingSubject.sum(before, TrainingFormulas.attentionBackward(dOut, qkv, starts, shape, 0, rows));
        Tensor dqkv = put(before, rows, width);
        Tensor dOuts = put(dOut, rows, outWidth);
        for (int[] chunk : new int[][] {{0, 20}, {20, 50}, {50, rows}}) {
            training().packedAttentionBackward(dqkv, dOuts, out, logSumExp, in, segments, shape, chunk[0], chunk[1]);
        }
        assertClose("attention backward", dqkv, wanted);
    }
}
