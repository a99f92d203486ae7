package dev.nightshift.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.LoraParameter;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.TrainingOps.AdamStep;
import dev.nightshift.tensor.TrainingOps.LoraFactors;
import dev.nightshift.tensor.cpu.VectorOps;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The optimizer against torch and bitsandbytes (shared/golden/optimizers), and its pages. */
class PagedAdamWTest {
    private static final double TORCH = 1e-6; // float32 rounding of six steps, relative
    private static final double BITSANDBYTES = 1e-5; // six steps of its approximate arithmetic, decay after the update

    private static final int CODES_BETWEEN = 3; // of a tensor's numbers, those whose value lies between two codes
    private static final long STATE = 12L * 64 * 96 * 8;

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

    @Test
    void followsBitsandbytesPagedOptimizer() {
        golden("paged_adamw32", 1e-3f, 0.01f, false, 1 << 24);
        golden("paged_adamw32", 1e-3f, 0.01f, false, 0);
    }

    private static void eightBit(String name, float rate, float decay) {
        golden(name, rate, decay, true, 1 << 24);
    }

    private static void golden(String name, float rate, float decay, boolean eightBit, long budget) {
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
        try (Subject subject = new Subject(start, shapes, budget, eightBit)) {
            for (int s = 1; s <= 6; s++) {
                List<float[]> gradients = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    gradients.add(golden.floats("%s.grad%d.%d".formatted(name, s, i)));
                }
                subject.step(gradients, adam(rate, decay, s));
                for (int i = 0; (s == 1 || s == 6) && i < 3; i++) {
                    assertClose(
                            subject.value(i),
                            golden.floats("%s.p%d.%d".formatted(name, s, i)),
                            s == 1 ? TORCH : BITSANDBYTES,
                            "%s p%d.%d".formatted(name, s, i));
                    assertState(golden, "%s.step%d.%d.".formatted(name, s, i), subject, i);
                }
            }
        }
    }

    /** A page's state is its blocks' maxima and its codes, or two floats a number; the last two pages are the odd B. */
    private static void assertState(GoldenTensors golden, String prefix, Subject subject, int parameter) {
        MemorySegment state = subject.optimizer.snapshot().get(parameter).data();
        int numbers = Math.toIntExact(golden.shape(prefix + "state1").elements());
        if (!golden.has(prefix + "absmax1")) {
            assertClose(floats(state, 0, numbers), golden.floats(prefix + "state1"), BITSANDBYTES, prefix + "state1");
            assertClose(
                    floats(state, 4L * numbers, numbers),
                    golden.floats(prefix + "state2"),
                    BITSANDBYTES,
                    prefix + "state2");
            return;
        }
        int blocks = (numbers + 255) / 256;
        assertClose(floats(state, 0, blocks), golden.floats(prefix + "absmax1"), BITSANDBYTES, prefix + "absmax1");
        assertClose(
                floats(state, 4L * blocks, blocks),
                golden.floats(prefix + "absmax2"),
                BITSANDBYTES,
                prefix + "absmax2");
        for (int moment = 1; moment <= 2; moment++) {
            byte[] codes = state.asSlice(8L * blocks + (moment - 1L) * numbers, numbers)
                    .toArray(ValueLayout.JAVA_BYTE);
            byte[] wanted = golden.tensor(prefix + "state" + moment).data().toArray(ValueLayout.JAVA_BYTE);
            int others = 0;
            for (int i = 0; i < numbers; i++) {
                int distance = Math.abs((codes[i] & 0xff) - (wanted[i] & 0xff));
                assertThat(distance)
                        .as(prefix + "state" + moment + "[" + i + "]")
                        .isLessThanOrEqualTo(1);
                others += distance;
            }
            assertThat(others).as("codes of " + prefix + "state" + moment).isLessThanOrEqualTo(CODES_BETWEEN);
        }
    }

    private static float[] floats(MemorySegment state, long offset, int count) {
        return state.asSlice(offset, 4L * count).toArray(ValueLayout.JAVA_FLOAT);
    }

    /**
     * A quarter of the state on the device: the same bits, and two moves a step for each streamed page. Twelve tensors of
     * 6,144 numbers are twelve pages. Of 32 bits a page is 49,152 bytes, so a quarter holds three, of which two are frames; of
     * 8 bits it is 12,544 (codes and the maxima of 24 blocks), and a quarter of the codes holds less than three.
     */
    @Test
    void pagesStateToTheHostWithoutChangingABit() {
        for (boolean eightBit : new boolean[] {false, true}) {
            Random random = new Random(7);
            List<float[]> start = twelve(random);
            int streamed = eightBit ? 12 : 11;
            try (Subject all = new Subject(start, shapes(), 1 << 24, eightBit);
                    Subject quarter = new Subject(start, shapes(), STATE / (eightBit ? 16 : 4), eightBit)) {
                assertThat(all.optimizer.streamedPages()).isZero();
                assertThat(quarter.optimizer.streamedPages()).isEqualTo(streamed);
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
                    assertThat(state(quarter, i)).isEqualTo(state(all, i));
                }
            }
        }
    }

    private static byte[] state(Subject subject, int page) {
        return subject.optimizer.snapshot().get(page).data().toArray(ValueLayout.JAVA_BYTE);
    }

    /** What is called in a step, in order: page 0 stays; while a streamed page is used, the next one is there already. */
    @Test
    void aStreamedPageIsFetchedBeforeTheOneBeforeItIsUsed() {
        List<float[]> start = twelve(new Random(7));
        try (Subject quarter = new Subject(start, shapes(), STATE / 4, false)) {
            quarter.step(start, adam(1e-2f, 0.01f, 1));
            List<String> wanted = new ArrayList<>(List.of("fetch 1", "use 0"));
            for (int page = 1; page < 12; page++) {
                if (page < 11) {
                    wanted.add("fetch " + (page + 1));
                }
                wanted.add("use " + page);
                wanted.add("write back " + page);
            }
            assertThat(quarter.calls).isEqualTo(wanted);
        }
    }

    private static List<float[]> twelve(Random random) {
        List<float[]> start = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            float[] values = new float[64 * 96];
            for (int j = 0; j < values.length; j++) {
                values[j] = (float) random.nextGaussian();
            }
            start.add(values);
        }
        return start;
    }

    private static List<long[]> shapes() {
        return Collections.nCopies(12, new long[] {64, 96});
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
        private final List<String> calls = new ArrayList<>();
        private final Map<Long, Integer> homes = new HashMap<>();
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
                    seen(TensorOps.class, ops),
                    seen(TrainingOps.class, ops.training()),
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

        /** Passes calls on and writes down which page they are about; streamed pages are numbered from 1 as they first come. */
        private <T> T seen(Class<T> type, T real) {
            return type.cast(Proxy.newProxyInstance(
                    type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                        switch (method.getName()) {
                            case "upload" -> calls.add("fetch " + home((Tensor) arguments[1]));
                            case "readback" -> calls.add("write back " + home((Tensor) arguments[0]));
                            case "adamW", "adamW8Bit" -> calls.add("use " + page((Tensor) arguments[0]));
                            default -> calls.add(method.getName());
                        }
                        return method.invoke(real, arguments);
                    }));
        }

        private int home(Tensor host) {
            return homes.computeIfAbsent(host.data().address(), address -> homes.size() + 1);
        }

        private int page(Tensor param) {
            return values.stream()
                    .map(value -> value.data().address())
                    .toList()
                    .indexOf(param.data().address());
        }

        void step(List<float[]> host, AdamStep step) {
            for (int i = 0; i < host.size(); i++) {
                ops.upload(gradients.get(i), HostRows.of(host.get(i)).reshape(axes(gradients.get(i))));
            }
            calls.clear();
            homes.clear();
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
