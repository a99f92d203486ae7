package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.SafetensorsFile;
import dev.nightshift.quant.DynamicMap;
import dev.nightshift.tensor.TrainingOps.AdamStep;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** AdamW, 32-bit and 8-bit, against its formula and against torch and bitsandbytes. */
interface OptimizerContract extends TrainingSubject {
    Path GOLDEN = Path.of("../shared/golden/optimizers");
    /** Some ten fp32 operations an element and step. */
    double STEP_TOLERANCE = 2e-6;

    private static SafetensorsFile golden(String name) {
        Path file = GOLDEN.resolve(name);
        Assumptions.assumeTrue(Files.exists(file), file + " is not here");
        return SafetensorsFile.map(file, Arena.ofAuto());
    }

    private static Tensor stored(SafetensorsFile file, String name) {
        return file.find(name).orElseThrow().tensor();
    }

    private static float[] values(SafetensorsFile file, String name) {
        return HostTensors.floats(stored(file, name));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void adamWFollowsTheFormula(int size) {
        Random random = random("adam" + size);
        double[] param = normal(random, size, 1);
        double[] m = normal(random, size, 0.1);
        double[] v = Arrays.stream(normal(random, size, 0.1)).map(Math::abs).toArray();
        double[] gradient = normal(random, size, 1);
        Tensor params = put(param, size);
        Tensor ms = put(m, size);
        Tensor vs = put(v, size);
        double[] wantedV = TrainingSubject.doubles(scene().floats(vs));
        for (int step : new int[] {1, 2, 500}) {
            AdamStep adam = new AdamStep(1e-2f, 0.9f, 0.999f, 1e-8f, 0.01f, step, 0.3f);
            training().adamW(params, put(gradient, size), ms, vs, adam);
            AdamFormulas.adamW(param, gradient, m, wantedV, adam);
            TrainingSubject.assertClose("param", scene().floats(params), param, STEP_TOLERANCE);
            TrainingSubject.assertClose("m", scene().floats(ms), m, STEP_TOLERANCE);
            TrainingSubject.assertClose("v", scene().floats(vs), wantedV, STEP_TOLERANCE);
        }
    }

    @Test
    default void adamWGivesTorchsSteps() {
        SafetensorsFile file = golden("optimizers.safetensors");
        float[] w = values(file, "w0");
        Tensor param = scene().f32(w, w.length);
        Tensor m = scene().zeros(DType.F32, w.length);
        Tensor v = scene().zeros(DType.F32, w.length);
        for (int step = 1; step <= 6; step++) {
            Tensor gradient = scene().f32(values(file, "g" + (step - 1)), w.length);
            training().adamW(param, gradient, m, v, new AdamStep(1e-2f, 0.9f, 0.999f, 1e-8f, 0.01f, step, 1));
            double[] wanted = TrainingSubject.doubles(values(file, "adamw32.w" + step));
            TrainingSubject.assertClose("step " + step, scene().floats(param), wanted, STEP_TOLERANCE);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 256, 1021, 4098})
    default void adamW8BitFollowsTheFormula(int size) {
        Random random = random("adam8" + size);
        EightBit state = new EightBit(scene(), size);
        double[] param = normal(random, size, 1);
        Tensor params = put(param, size);
        for (int step = 1; step <= 4; step++) {
            double[] gradient = normal(random, size, step == 2 ? 5 : 0.1);
            if (step == 1) {
                // so small that zero is its nearest entry, yet its sign must stay
                gradient[size / 2] = (float) -1e-9;
            }
            AdamStep adam = new AdamStep(1e-2f, 0.9f, 0.999f, 1e-8f, step % 2 * 0.01f, step, 0.7f);
            double[] before = TrainingSubject.doubles(scene().floats(params));
            AdamFormulas.Wanted wanted = AdamFormulas.adamW8Bit(before, gradient, state.read(), adam);
            state.step(training(), params, put(gradient, size), adam);
            TrainingSubject.assertClose("param", scene().floats(params), wanted.param(), STEP_TOLERANCE);
            state.check(wanted);
        }
    }

    @Test
    default void adamW8BitSkipsWhatIsNotFinite() {
        EightBit state = new EightBit(scene(), 600);
        float[] gradient = new float[600];
        Arrays.fill(gradient, 0.5f);
        gradient[3] = Float.NaN;
        gradient[300] = Float.POSITIVE_INFINITY;
        float[] ones = new float[600];
        Arrays.fill(ones, 1);
        Tensor param = scene().f32(ones, 600);
        AdamStep adam = new AdamStep(1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 1, 1);
        state.step(training(), param, scene().f32(gradient, 600), adam);
        float[] after = scene().floats(param);
        assertThat(after[3]).isEqualTo(1);
        assertThat(after[300]).isEqualTo(1);
        assertThat(after[4]).isLessThan(1).isGreaterThan(0.9f);
        assertThat(state.read().m(3)).isZero();
        assertThat(state.read().v(300)).isZero();
    }

    /** Index of the golden's tensor, parameters of the case. */
    @ParameterizedTest
    @CsvSource({
        "adamw8bit, 0, 1e-3, 0.01",
        "adamw8bit, 1, 1e-3, 0.01",
        "adamw8bit_nodecay, 0, 2e-4, 0",
        "adamw8bit_nodecay, 1, 2e-4, 0"
    })
    default void adamW8BitGivesTheStepsOfBitsandbytes(String name, int index, float rate, float decay) {
        SafetensorsFile file = golden("optimizers_bnb.safetensors");
        float[] p = values(file, "%s.p0.%d".formatted(name, index));
        EightBit state = new EightBit(scene(), p.length);
        Tensor param = scene().f32(p, p.length);
        for (int step = 1; step <= 6; step++) {
            Tensor gradient = scene().f32(values(file, "%s.grad%d.%d".formatted(name, step, index)), p.length);
            state.step(training(), param, gradient, new AdamStep(rate, 0.9f, 0.999f, 1e-8f, decay, step, 1));
            if (step == 1 || step == 6) {
                String prefix = "%s.step%d.%d.".formatted(name, step, index);
                double[] wanted = TrainingSubject.doubles(values(file, "%s.p%d.%d".formatted(name, step, index)));
                int differing = state.codesThatDiffer(
                        HostTensors.bytes(stored(file, prefix + "state1")),
                        HostTensors.bytes(stored(file, prefix + "state2")));
                System.out.printf("%s: %d of %d codes differ from bitsandbytes%n", prefix, differing, 2 * p.length);
                // fast division on the card moves a value on a midpoint to the neighbouring code
                assertThat(differing).isLessThanOrEqualTo(2 * p.length / 1000);
                // a code beside its neighbour moves its own parameter by a few per cent of one step's change
                TrainingSubject.assertClose(
                        prefix + "p", scene().floats(param), wanted, step == 1 ? STEP_TOLERANCE : 1e-4);
                double[] absmax = TrainingSubject.doubles(values(file, prefix + "absmax1"));
                TrainingSubject.assertClose(prefix + "absmax1", state.mAbsmax(), absmax, 1e-5);
            }
        }
    }

    /** The 8-bit state of one tensor on the device. */
    record EightBit(Scene scene, int size, Tensor m, Tensor mMax, Tensor mMap, Tensor v, Tensor vMax, Tensor vMap) {
        EightBit(Scene scene, int size) {
            this(
                    scene,
                    size,
                    scene.zeros(DType.U8, size),
                    scene.zeros(DType.F32, blocks(size)),
                    scene.f32(DynamicMap.signed(), 256),
                    scene.zeros(DType.U8, size),
                    scene.zeros(DType.F32, blocks(size)),
                    scene.f32(DynamicMap.unsigned(), 256));
        }

        private static int blocks(int size) {
            return (size + AdamFormulas.BLOCK - 1) / AdamFormulas.BLOCK;
        }

        void step(TrainingOps training, Tensor param, Tensor gradient, AdamStep step) {
            training.adamW8Bit(param, gradient, m, mMax, mMap, v, vMax, vMap, step);
        }

        private int[] codes(Tensor codes) {
            byte[] bytes = scene.bytes(codes);
            int[] values = new int[bytes.length];
            Arrays.setAll(values, i -> bytes[i] & 0xFF);
            return values;
        }

        float[] mAbsmax() {
            return scene.floats(mMax);
        }

        AdamFormulas.State read() {
            return new AdamFormulas.State(
                    codes(m),
                    TrainingSubject.doubles(scene.floats(mMax)),
                    DynamicMap.signed(),
                    codes(v),
                    TrainingSubject.doubles(scene.floats(vMax)),
                    DynamicMap.unsigned());
        }

        void check(AdamFormulas.Wanted wanted) {
            AdamFormulas.State state = read();
            TrainingSubject.assertClose("absmax of m", scene.floats(mMax), wanted.mAbsmax(), STEP_TOLERANCE);
            TrainingSubject.assertClose("absmax of v", scene.floats(vMax), wanted.vAbsmax(), STEP_TOLERANCE);
            for (int i = 0; i < size; i++) {
                double m = wanted.m()[i] / wanted.mAbsmax()[i / AdamFormulas.BLOCK];
                double v = wanted.v()[i] / wanted.vAbsmax()[i / AdamFormulas.BLOCK];
                assertThat(AdamFormulas.isNearest(state.mMap(), true, state.mCodes()[i], m))
                        .as("m %s has code %d", m, state.mCodes()[i])
                        .isTrue();
                assertThat(AdamFormulas.isNearest(state.vMap(), false, state.vCodes()[i], v))
                        .as("v %s has code %d", v, state.vCodes()[i])
                        .isTrue();
            }
        }

        int codesThatDiffer(byte[] mWanted, byte[] vWanted) {
            int differing = 0;
            byte[] mGot = scene.bytes(m);
            byte[] vGot = scene.bytes(v);
            for (int i = 0; i < size; i++) {
                differing += mGot[i] == mWanted[i] ? 0 : 1;
                differing += vGot[i] == vWanted[i] ? 0 : 1;
            }
            return differing;
        }
    }
}
