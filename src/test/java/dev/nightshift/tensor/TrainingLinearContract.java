package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.tensor.TrainingOps.Dropout;
import dev.nightshift.tensor.TrainingOps.LoraFactors;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Gradients through linears and to their low-rank factors. */
interface TrainingLinearContract extends TrainingSubject {

    @Test
    default void linearBackwardMultipliesWithTheWeightItself() {
        Random random = random("linearBackward");
        int in = 207;
        for (Weight weight : List.of(
                TestWeights.nested(random, FourBitCode.NF4, 129, in, 64),
                TestWeights.plain(random, FourBitCode.FP4, 64, 256, 128),
                TestWeights.nested(random, FourBitCode.NF4, 1100, 40, 64),
                TestWeights.plain(random, FourBitCode.NF4, 600, 48, 64),
                TestWeights.plain(random, FourBitCode.FP4, 70, 63, 32),
                TestWeights.dense(random, DType.BF16, 13, in),
                TestWeights.dense(random, DType.F16, 65, in),
                TestWeights.dense(random, DType.F32, 1, in),
                new Weight.Fused(List.of(
                        TestWeights.nested(random, FourBitCode.NF4, 96, in, 64),
                        TestWeights.dense(random, DType.BF16, 31, in),
                        TestWeights.nested(random, FourBitCode.NF4, 32, in, 64))))) {
            Weight prepared = scene().ops().prepare(weight);
            double[] values = TrainingSubject.doubles(TestWeights.values(weight));
            for (int rows : new int[] {1, 13, 70}) {
                double[] dy = normal(random, rows * weight.rows(), 1);
                double[] before = normal(random, rows * weight.columns(), 1);
                double[] wanted = new double[before.length];
                TrainingFormulas.addProduct(wanted, 1, dy, values, rows, weight.columns(), weight.rows());
                Tensor dx = put(before, rows, weight.columns());
                training().linearBackward(dx, put(dy, rows, weight.rows()), prepared, true);
                assertClose("dX +=", dx, TrainingSubject.sum(before, wanted));
                training().linearBackward(dx, put(dy, rows, weight.rows()), prepared, false);
                assertClose("dX =", dx, wanted);
            }
        }
    }

    /** Rows, inputs, rank, outputs, place in y's row, dropout. */
    @ParameterizedTest
    @CsvSource({
        "1, 207, 1, 13, 0, 0",
        "13, 64, 8, 129, 5, 0",
        "70, 207, 13, 31, 31, 0.1",
        "33, 129, 64, 65, 0, 0.5",
        "5, 256, 256, 64, 7, 0.05"
    })
    default void loraForwardAndBackward(int rows, int in, int rank, int out, int column, float probability) {
        Random random = random("lora" + rows + in + rank);
        Dropout dropout = probability == 0 ? Dropout.OFF : new Dropout(probability, random.nextLong(), 40);
        float scale = 0.5f;
        LoraTrial trial = new LoraTrial(rows, in, rank, out, scale, dropout);
        int width = column + out + 3;
        double[] x = normal(random, rows * in, 1);
        double[] a = normal(random, rank * in, 1 / Math.sqrt(in));
        double[] b = normal(random, out * rank, 1 / Math.sqrt(rank));
        LoraFactors factors = new LoraFactors(put(a, rank, in), put(b, out, rank), scale);
        Tensor xs = put(x, rows, in);
        Tensor h = scene().output(rows, rank);

        double[] y = normal(random, rows * width, 1);
        Tensor ys = put(y, rows, width);
        training().loraForward(ys, column, xs, h, factors, dropout);
        assertClose("h", h, trial.hidden(x, a));
        assertClose("y", ys, widened(y, trial.forward(x, a, b), width, column, out));

        double[] dy = normal(random, rows * width, 1);
        double[] dx = normal(random, rows * in, 1);
        double[] da = normal(random, rank * in, 1);
        double[] db = normal(random, out * rank, 1);
        LoraTrial.Gradients wanted = trial.backward(narrowed(dy, width, column, out), x, a, b);
        Tensor dxs = put(dx, rows, in);
        Tensor das = put(da, rank, in);
        Tensor dbs = put(db, out, rank);
        Tensor dys = put(dy, rows, width);
        Tensor dh = scene().output(rows, rank);
        training().loraBackward(dxs, das, dbs, dys, column, xs, h, dh, factors, dropout);
        assertClose("dX", dxs, TrainingSubject.sum(dx, wanted.dx()));
        assertClose("dA", das, TrainingSubject.sum(da, wanted.da()));
        assertClose("dB", dbs, TrainingSubject.sum(db, wanted.db()));
        training().loraBackward(null, das, dbs, dys, column, xs, h, dh, factors, dropout);
        assertClose("dA again", das, TrainingSubject.sum(TrainingSubject.sum(da, wanted.da()), wanted.da()));
    }

    private static double[] widened(double[] y, double[] added, int width, int column, int out) {
        double[] sum = y.clone();
        for (int i = 0; i < added.length; i++) {
            sum[i / out * width + column + i % out] += added[i];
        }
        return sum;
    }

    private static double[] narrowed(double[] dy, int width, int column, int out) {
        double[] part = new double[dy.length / width * out];
        for (int i = 0; i < part.length; i++) {
            part[i] = dy[i / out * width + column + i % out];
        }
        return part;
    }

    @Test
    default void dropoutDependsOnSeedRowAndColumnAlone() {
        Random random = random("dropoutRows");
        int rows = 11;
        int in = 65;
        double[] x = normal(random, rows * in, 1);
        LoraFactors factors =
                new LoraFactors(put(normal(random, 4 * in, 1), 4, in), put(normal(random, 12, 1), 3, 4), 1);
        Tensor whole = scene().output(rows, 4);
        Tensor y = put(new double[rows * 3], rows, 3);
        training().loraForward(y, 0, put(x, rows, in), whole, factors, new Dropout(0.3f, 17, 100));
        float[] together = scene().floats(whole);
        for (int from : new int[] {0, 4, 10}) {
            Tensor h = scene().output(rows - from, 4);
            Tensor part = put(Arrays.copyOfRange(x, from * in, rows * in), rows - from, in);
            Tensor out = put(new double[(rows - from) * 3], rows - from, 3);
            training().loraForward(out, 0, part, h, factors, new Dropout(0.3f, 17, 100 + from));
            TrainingSubject.assertClose(
                    "chunk from " + from,
                    scene().floats(h),
                    TrainingSubject.doubles(Arrays.copyOfRange(together, from * 4, rows * 4)),
                    TOLERANCE);
        }
    }

    @Test
    default void theSameCallsGiveTheSameBits() {
        Random random = random("sameBits");
        int rows = 70;
        int in = 207;
        LoraFactors factors =
                new LoraFactors(put(normal(random, 8 * in, 1), 8, in), put(normal(random, 129 * 8, 1), 129, 8), 0.5f);
        Tensor x = put(normal(random, rows * in, 1), rows, in);
        Tensor dy = put(normal(random, rows * 129, 1), rows, 129);
        Dropout dropout = new Dropout(0.1f, 5, 0);
        float[][] first = null;
        for (int run = 0; run < 3; run++) {
            Tensor h = scene().output(rows, 8);
            Tensor da = put(new double[8 * in], 8, in);
            Tensor db = put(new double[129 * 8], 129, 8);
            Tensor dx = put(new double[rows * in], rows, in);
            training().loraForward(put(new double[rows * 129], rows, 129), 0, x, h, factors, dropout);
            training().loraBackward(dx, da, db, dy, 0, x, h, scene().output(rows, 8), factors, dropout);
            float[][] result = {scene().floats(h), scene().floats(da), scene().floats(db), scene().floats(dx)};
            if (first != null) {
                assertThat(result).isDeepEqualTo(first);
            }
            first = result;
        }
    }
}
