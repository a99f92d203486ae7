package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.tensor.TrainingOps.Dropout;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** The backward formulas against central differences of the forward ones, everything in double. */
class TrainingFormulasTest {
    private static final double STEP = 1e-5;
    /** A central difference errs by the third derivative times STEP^2, and by 1e-16 / STEP through cancellation. */
    private static final double TOLERANCE = 1e-7;

    private final Random random = new Random(20_240_607);

    private double[] normal(int count) {
        return random.doubles(count, -1.5, 1.5).toArray();
    }

    /** {@code sum(dOut * f(x))} differentiated by each element of x. */
    private static void check(Function<double[], double[]> forward, double[] x, double[] dOut, double[] gradient) {
        assertThat(gradient).hasSameSizeAs(x);
        for (int i = 0; i < x.length; i++) {
            double[] moved = x.clone();
            moved[i] = x[i] + STEP;
            double above = dot(forward.apply(moved), dOut);
            moved[i] = x[i] - STEP;
            double below = dot(forward.apply(moved), dOut);
            double difference = (above - below) / (2 * STEP);
            assertThat(Math.abs(gradient[i] - difference))
                    .as("element %d: formula %s, difference %s", i, gradient[i], difference)
                    .isLessThan(TOLERANCE * (1 + Math.abs(difference)));
        }
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void rmsNorm() {
        double[] weight = normal(7);
        double[] x = normal(21);
        double[] dOut = normal(21);
        check(
                v -> TrainingFormulas.rmsNorm(v, weight, 1e-5),
                x,
                dOut,
                TrainingFormulas.rmsNormBackward(dOut, x, weight, 1e-5));
    }

    @Test
    void ropeWithAndWithoutHeadNorms() {
        AttentionShape shape = new AttentionShape(4, 2, 6, 0, 0.4f);
        double[] qkv = normal(3 * 8 * 6);
        double[] dOut = normal(qkv.length);
        double[] cosSin = normal(3 * 6);
        double[] qNorm = normal(6);
        double[] kNorm = normal(6);
        check(
                v -> TrainingFormulas.rope(v, null, null, 0, cosSin, shape),
                qkv,
                dOut,
                TrainingFormulas.ropeBackward(dOut, null, null, null, 0, cosSin, shape));
        check(
                v -> TrainingFormulas.rope(v, qNorm, kNorm, 1e-6, cosSin, shape),
                qkv,
                dOut,
                TrainingFormulas.ropeBackward(dOut, qkv, qNorm, kNorm, 1e-6, cosSin, shape));
    }

    @Test
    void attentionInsideSegments() {
        for (int window : new int[] {0, 2}) {
            AttentionShape shape = new AttentionShape(4, 2, 4, window, 0.5f);
            int[] starts = {0, 0, 0, 0, 4, 5, 5, 7};
            double[] qkv = normal(8 * 8 * 4);
            double[] dOut = normal(8 * 4 * 4);
            check(
                    v -> TrainingFormulas.attention(v, starts, shape),
                    qkv,
                    dOut,
                    TrainingFormulas.attentionBackward(dOut, qkv, starts, shape, 0, 8));
        }
    }

    @Test
    void swiGlu() {
        double[] gateUp = normal(2 * 2 * 5);
        double[] dOut = normal(2 * 5);
        check(v -> TrainingFormulas.swiGlu(v, 5), gateUp, dOut, TrainingFormulas.swiGluBackward(dOut, gateUp, 5));
    }

    @Test
    void crossEntropy() {
        double[] logits = normal(3 * 11);
        int[] targets = {4, -100, 10};
        double[] weights = {0.3, 5, 1.7};
        check(
                v -> TrainingFormulas.losses(v, targets),
                logits,
                weights,
                TrainingFormulas.crossEntropyBackward(logits, targets, weights));
    }

    @Test
    void lowRankFactorsUnderDropout() {
        int rows = 5;
        int in = 6;
        int rank = 3;
        int out = 4;
        double scale = 0.7;
        Dropout dropout = new Dropout(0.4f, 99, 3);
        LoraTrial trial = new LoraTrial(rows, in, rank, out, scale, dropout);
        double[] x = normal(rows * in);
        double[] a = normal(rank * in);
        double[] b = normal(out * rank);
        double[] dy = normal(rows * out);
        LoraTrial.Gradients gradients = trial.backward(dy, x, a, b);
        check(v -> trial.forward(v, a, b), x, dy, gradients.dx());
        check(v -> trial.forward(x, v, b), a, dy, gradients.da());
        check(v -> trial.forward(x, a, v), b, dy, gradients.db());
    }
}
