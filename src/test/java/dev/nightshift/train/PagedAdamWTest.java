package dev.nightshift.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.LoraParameter;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps.AdamStep;
import dev.nightshift.tensor.TrainingOps.LoraFactors;
import dev.nightshift.tensor.cpu.VectorOps;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The optimizer against torch and bitsandbytes (shared/golden/optimizers), and its pages. */
class PagedAdamWTest {
    private static final double TORCH = 1e-6; // float32 rounding of six steps, relative
    private static final double EIGHT_BIT = 1e-5; // the golden's reader saw 3e-8 after one step; six add up

    @Test
    void followsTorch() {
        GoldenTensors golden = open("optimizers.safetensors");
        try (Subject subject =
                new Subject(List.of(golden.floats("w0")), List.of(new long[] {96, 128}), 1 << 24, false)) {
            for (int s = 1; s <= 6; s++) {
                subject.step(List.of(golden.floats("g" + (s - 1))), adam(1e-2f, 0.01f, s));
                assertClose(subject.value(0), golden.floats("adamw32.w" + s), TORCH, "step " + s);
            }
        }
    }

    @Test
    void followsBitsandbytesInEightBits() {
        eightBit("adamw8bit", 1e-3f, 0.01f);
        eightBit("adamw8bit_nodecay", 2e-4f, 0);
    }

    private static void eightBit(String name, float rate, float decay) {
        GoldenTensors golden = open("optimizers_bnb.safetensors");
        List<float[]> start = new ArrayList<>();
        List<long[]> shapes = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            start.add(golden.floats("%s.p0.%d".formatted(name, i)));
            shapes.add(new long[] {
                golden.shape("%s.p0.%d".formatted(name, i)).axis(0),
                golden.shape("%s.p0.%d".formatted(name, i)).axis(1)
            });
        }
        try (Subject subject = new Subject(start, shapes, 1 << 24, true)) {
            for (int s = 1; s <= 6; s++) {
                List<float[]> gradients = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    gradients.add(golden.floats("%s.grad%d.%d".formatted(name, s, i)));
                }
                subject.step(gradients, adam(rate, decay, s));
                for (int i = 0; s == 1 && i < 3; i++) {
                    assertClose(
                            subject.value(i), golden.floats("%s.p1.%d".formatted(name, i)), TORCH, name + " p1." + i);
                }
            }
            for (int i = 0; i < 3; i++) {
                assertClose(
                        subject.value(i), golden.floats("%s.p6.%d".formatted(name, i)), EIGHT_BIT, name + " p6." + i);
            }
        }
    }

    /** A quarter of the state on the device: the same bits, and two moves a step for each streamed page. */
    @Test
    void pagesStateToTheHostWithoutChangingABit() {
        for (boolean eightBit : new boolean[] {false, true}) {
            List<float[]> start = new ArrayList<>();
            List<long[]> shapes = new ArrayList<>();
            Random random = new Random(7);
            for (int i = 0; i < 12; i++) {
                float[] values = new float[64 * 96];
                for (int j = 0; j < values.length; j++) {
                    values[j] = (float) random.nextGaussian();
                }
                start.add(values);
                shapes.add(new long[] {64, 96});
            }
            long state = 12L * 64 * 96 * (eightBit ? 2 : 8);
            try (Subject all = new Subject(start, shapes, 1 << 24, eightBit);
                    Subject quarter = new Subject(start, shapes, state / 4, eightBit)) {
                int streamed = quarter.optimizer.streamedPages();
                assertThat(all.optimizer.streamedPages()).isZero();
                assertThat(streamed).isBetween(8, 23);
                for (int s = 1; s <= 4; s++) {
                    List<float[]> gradients = new ArrayList<>();
                    for (int i = 0; i < 12; i++) {
                        float[] gradient = start.get(i).clone();
                        for (int j = 0; j < gradient.length; j++) {
                            gradient[j] *= (float) random.nextGaussian();
                        }
                        gradients.add(gradient);
                    }
                    all.step(gradients, adam(1e-2f, 0.01f, s));
                    quarter.step(gradients, adam(1e-2f, 0.01f, s));
                    assertThat(quarter.optimizer.pageMoves()).isEqualTo(2L * streamed * s);
                }
                assertThat(all.optimizer.pageMoves()).isZero();
                for (int i = 0; i < 12; i++) {
                    assertThat(quarter.value(i)).isEqualTo(all.value(i));
                }
            }
        }
    }

    private static AdamStep adam(float rate, float decay, int step) {
        return new AdamStep(rate, 0.9f, 0.999f, 1e-8f, decay, step, 1);
    }

    private static GoldenTensors open(String file) {
        return GoldenTensors.open(GoldenTensors.shared("golden", "optimizers").resolve(file));
    }

    private static void assertClose(float[] actual, float[] expected, double tolerance, String what) {
        assertThat(TrainingGolden.relativeError(actual, expected, expected))
                .as(what)
                .isLessThan(tolerance);
    }

    /** Parameters by pairs (A, B of one adapter's target), an odd last one with a B of one element. */
    private static final class Subject implements AutoCloseable {
        private final TensorOps ops = new VectorOps(1L << 28, 2);
        private final List<Tensor> values = new ArrayList<>();
        private final List<Tensor> gradients = new ArrayList<>();
        private final PagedAdamW optimizer;

        Subject(List<float[]> start, List<long[]> shapes, long budget, boolean eightBit) {
            TrainingArena arena = new TrainingArena(ops.allocate(MemoryPart.TRAINING, DType.U8, Shape.of(1 << 26)));
            List<LoraParameter> parameters = new ArrayList<>();
            for (int i = 0; i < start.size(); i++) {
                Tensor value = arena.take(DType.F32, shapes.get(i));
                ops.upload(value, HostRows.of(start.get(i)).reshape(shapes.get(i)));
                values.add(value);
                gradients.add(arena.take(DType.F32, shapes.get(i)));
            }
            for (int i = 0; i < values.size(); i += 2) {
                boolean pair = i + 1 < values.size();
                Tensor b = pair ? values.get(i + 1) : arena.take(DType.F32, 1, 1);
                Tensor gradient = pair ? gradients.get(i + 1) : arena.take(DType.F32, 1, 1);
                parameters.add(new LoraParameter(i, new LoraFactors(values.get(i), b, 1), gradients.get(i), gradient));
            }
            optimizer = new PagedAdamW(
                    ops,
                    ops.training(),
                    TestTrainer.settings(
                            0,
                            0,
                            0,
                            budget,
                            eightBit
                                    ? TrainerSettings.OptimizerKind.ADAMW_8BIT
                                    : TrainerSettings.OptimizerKind.ADAMW_32),
                    parameters,
                    arena);
        }

        void step(List<float[]> host, AdamStep step) {
            for (int i = 0; i < host.size(); i++) {
                ops.upload(gradients.get(i), HostRows.of(host.get(i)).reshape(axes(gradients.get(i))));
            }
            optimizer.begin();
            for (int page = 0; page < optimizer.pageCount(); page++) {
                optimizer.update(page, step);
            }
        }

        private static long[] axes(Tensor tensor) {
            return new long[] {tensor.shape().axis(0), tensor.shape().axis(1)};
        }

        float[] value(int index) {
            return HostRows.floats(values.get(index));
        }

        @Override
        public void close() {
            optimizer.close();
            ops.close();
        }
    }
}
