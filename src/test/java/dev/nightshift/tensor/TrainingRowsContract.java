package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.Arrays;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Backward of norms and gating, the loss, sums and copies, noise. */
interface TrainingRowsContract extends TrainingSubject {

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void rmsNormBackward(int size) {
        Random random = random("rmsBackward" + size);
        double[] x = normal(random, 5 * size, 1);
        Arrays.fill(x, 0, size, 0);
        double[] dy = normal(random, 5 * size, 1);
        double[] before = normal(random, 5 * size, 1);
        double[] weight = normal(random, size, 1);
        // a row of zeros has a gradient of dy / sqrt(epsilon); a large epsilon keeps it beside the others' size
        Tensor dx = put(before, 5, size);
        training().rmsNormBackward(dx, put(dy, 5, size), put(x, 5, size), put(weight, size), 0.01f);
        assertClose(
                "rmsNorm backward",
                dx,
                TrainingSubject.sum(before, TrainingFormulas.rmsNormBackward(dy, x, weight, 0.01f)));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void swiGluBackward(int inner) {
        Random random = random("swiGluBackward" + inner);
        double[] gateUp = normal(random, 3 * 2 * inner, 3);
        double[] boundary = {0, 200, -200, 1e-30, 88, -88};
        System.arraycopy(boundary, 0, gateUp, 0, Math.min(inner, boundary.length));
        double[] dOut = normal(random, 3 * inner, 1);
        Tensor gradient = scene().output(3, 2L * inner);
        training().swiGluBackward(gradient, put(dOut, 3, inner), put(gateUp, 3, 2L * inner));
        assertClose("swiGlu backward", gradient, TrainingFormulas.swiGluBackward(dOut, gateUp, inner));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void crossEntropyAndItsGradient(int vocab) {
        Random random = random("crossEntropy" + vocab);
        int rows = 9;
        double[] logits = normal(random, rows * vocab, 4);
        Arrays.setAll(logits, i -> i / vocab == 3 ? logits[i] * 1e3 : logits[i]);
        float[] rounded = new float[logits.length];
        for (int i = 0; i < rounded.length; i++) {
            rounded[i] = (float) logits[i];
        }
        double[] exact = TrainingSubject.doubles(rounded);
        int[] targets = new int[rows];
        Arrays.setAll(targets, row -> row == 2 ? -100 : row == 5 ? -1 : random.nextInt(vocab));
        double[] weights = normal(random, rows, 1);
        Tensor losses = scene().output(rows);
        Tensor values = scene().f32(rounded, rows, vocab);
        training().crossEntropy(losses, values, scene().i32(targets, rows), put(weights, rows));
        assertClose("losses", losses, TrainingFormulas.losses(exact, targets));
        assertClose("gradient", values, TrainingFormulas.crossEntropyBackward(exact, targets, weights));
        Tensor alone = scene().output(rows);
        training().crossEntropy(alone, scene().f32(rounded, rows, vocab), scene().i32(targets, rows), null);
        assertThat(scene().floats(alone)).isEqualTo(scene().floats(losses));
    }

    @Test
    default void aLogitThatIsNotFiniteIsSeenInTheLoss() {
        Tensor losses = scene().output(2);
        Tensor logits = scene().f32(new float[] {1, Float.NaN, 2, 1, 2, 3}, 2, 3);
        training().crossEntropy(losses, logits, scene().i32(new int[] {0, 0}, 2), put(new double[] {1, 1}, 2));
        assertThat(scene().floats(losses)[0]).isNaN();
        assertThat(scene().floats(losses)[1]).isCloseTo(2.4076059f, Offset.offset(1e-6f));
    }

    @Test
    default void scattersAddsCopiesAndZeroes() {
        Random random = random("scatter");
        double[] x = normal(random, 3 * 65, 1);
        double[] before = normal(random, 5 * 65, 1);
        double[] wanted = before.clone();
        int[] indices = {4, -1, 0};
        for (int i = 0; i < 3; i++) {
            for (int c = 0; c < 65 && indices[i] >= 0; c++) {
                wanted[indices[i] * 65 + c] += x[i * 65 + c];
            }
        }
        Tensor out = put(before, 5, 65);
        training().scatterRows(out, put(x, 3, 65), scene().i32(indices, 3));
        assertClose("scattered", out, wanted);
        training().copy(out, put(before, 5, 65));
        training().add(out, put(wanted, 5, 65));
        assertClose("added", out, TrainingSubject.sum(before, wanted));
        training().zero(out);
        assertThat(scene().floats(out)).containsOnly(0f);
    }

    @Test
    default void noiseDependsOnSeedRowAndColumnAlone() {
        Random random = random("noise");
        double[] x = normal(random, 7 * 65, 1);
        double[] wanted = x.clone();
        for (int i = 0; i < x.length; i++) {
            wanted[i] += 0.25 * (2 * CounterRandom.uniform(8, CounterRandom.NEFTUNE, 30 + i / 65, i % 65) - 1);
        }
        Tensor noisy = put(x, 7, 65);
        training().addNoise(noisy, 0.25f, 8, 30);
        assertClose("noise", noisy, wanted);
        Tensor part = put(Arrays.copyOfRange(x, 2 * 65, 7 * 65), 5, 65);
        training().addNoise(part, 0.25f, 8, 32);
        assertThat(scene().floats(part)).isEqualTo(Arrays.copyOfRange(scene().floats(noisy), 2 * 65, 7 * 65));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098, 100_003})
    default void sumOfSquaresIsThatOfDoubles(int size) {
        Random random = random("squares" + size);
        double[] x = normal(random, size, 1);
        Tensor out = scene().f32(new float[] {5, 6, 7}, 3);
        training().sumOfSquares(out, 1, put(x, size));
        float[] got = scene().floats(out);
        double wanted = Arrays.stream(x).map(v -> v * v).sum();
        assertThat(got[0]).isEqualTo(5);
        assertThat(got[2]).isEqualTo(7);
        // one rounding to fp32
        assertThat(Math.abs(got[1] - wanted)).isLessThanOrEqualTo(1.01 * Expected.ROUNDOFF * wanted);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            float[] broken = HostTensors.normal(random, size, 1);
            broken[size / 2] = bad;
            training().sumOfSquares(out, 0, scene().f32(broken, size));
            assertThat(scene().floats(out)[0]).isNotFinite();
        }
    }

    @Test
    default void refusesGradientsThatDoNotFit() {
        Tensor x = scene().zeros(DType.F32, 2, 4);
        assertThatIllegalStateException()
                .isThrownBy(() -> training().add(x, scene().zeros(DType.F32, 2, 5)))
                .withMessageContaining("[2, 5]")
                .withMessageContaining("[2, 4]");
        assertThatIllegalStateException()
                .isThrownBy(() -> training().swiGluBackward(x, scene().zeros(DType.F32, 2, 3), x))
                .withMessageContaining("[2, 4]")
                .withMessageContaining("[2, 6]");
        assertThatIllegalStateException()
                .isThrownBy(() -> training().rmsNormBackward(x, x, x, scene().zeros(DType.F32, 3), 1e-5f))
                .withMessageContaining("[3]")
                .withMessageContaining("[4]");
    }
}
