package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Embedding, norms, gating, picking of rows, transfers. */
interface RowOpsContract extends ContractSubject {

    @Test
    default void embedsOverEveryKindOfTable() {
        Random random = random("embed");
        int vocab = 37;
        int hidden = 207;
        for (Weight table : List.of(
                TestWeights.dense(random, DType.F32, vocab, hidden),
                TestWeights.dense(random, DType.BF16, vocab, hidden),
                TestWeights.dense(random, DType.F16, vocab, hidden),
                TestWeights.nested(random, FourBitCode.NF4, vocab, hidden, 64))) {
            Scene scene = scene();
            int[] ids = {0, 36, -1, 5, 5, -7, 1};
            Tensor out = scene.output(ids.length, hidden);
            scene.ops().embed(out, scene.ops().prepare(table), scene.i32(ids, ids.length), null);
            float[] wanted = ScalarFormulas.embed(TestWeights.values(table), hidden, ids, null, null, 0);
            assertThat(plusZero(scene.floats(out))).isEqualTo(plusZero(wanted));
        }
    }

    /** Negative zero becomes zero: which of them a code-7 weight gives is nobody's business. */
    private static float[] plusZero(float[] values) {
        float[] sums = values.clone();
        for (int i = 0; i < sums.length; i++) {
            sums[i] += 0f;
        }
        return sums;
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16"})
    default void embedsFromAReplacedTable(DType dtype) {
        Random random = random("embedReplaced" + dtype);
        Scene scene = scene();
        Weight table = TestWeights.dense(random, DType.BF16, 20, 33);
        TestAdapters adapters = new TestAdapters(3)
                .slot(TestAdapters.none(), TestAdapters.none(), TestAdapters.replacement(random, 33, 20, dtype))
                .slot(TestAdapters.none(), TestAdapters.none(), TestAdapters.none());
        int[] ids = {3, 3, 3, 19, -1, 0};
        int[] slots = {0, 1, -1, 0, 0, 0};
        Tensor out = scene.output(ids.length, 33);
        LoraRows lora = adapters.rows(scene, slots, 2, 1, 8);
        scene.ops().embed(out, scene.ops().prepare(table), scene.i32(ids, ids.length), lora);
        assertThat(scene.floats(out))
                .isEqualTo(ScalarFormulas.embed(TestWeights.values(table), 33, ids, adapters, slots, 2));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void rmsNormOfEverySize(int hidden) {
        Random random = random("rms" + hidden);
        float[] weight = HostTensors.normal(random, hidden, 1);
        for (double size : new double[] {1, 1e15, 1e-30, 0}) {
            Scene scene = scene();
            float[] x = HostTensors.normal(random, 7 * hidden, size);
            Arrays.fill(x, 0, hidden, -0f);
            Tensor out = scene.output(7, hidden);
            scene.ops().rmsNorm(out, scene.f32(x, 7, hidden), scene.f32(weight, hidden), 1e-5f);
            ScalarFormulas.rmsNorm(x, weight, 1e-5f).assertMatches(scene.floats(out), "rms of size " + size);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void addRmsNormKeepsTheSumAsResidual(int hidden) {
        Random random = random("addRms" + hidden);
        Scene scene = scene();
        float[] residual = HostTensors.normal(random, 5 * hidden, 3);
        float[] x = HostTensors.normal(random, 5 * hidden, 1);
        float[] weight = HostTensors.normal(random, hidden, 1);
        float[] sum = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            sum[i] = residual[i] + x[i];
        }
        Tensor out = scene.output(5, hidden);
        Tensor kept = scene.f32(residual, 5, hidden);
        scene.ops().addRmsNorm(out, kept, scene.f32(x, 5, hidden), scene.f32(weight, hidden), 1e-6f);
        assertThat(scene.floats(kept)).isEqualTo(sum);
        ScalarFormulas.rmsNorm(sum, weight, 1e-6f).assertMatches(scene.floats(out), "norm of the sum");
    }

    @Test
    default void normsMayOverwriteTheirInput() {
        Random random = random("rmsInPlace");
        Scene scene = scene();
        float[] x = HostTensors.normal(random, 3 * 65, 1);
        float[] weight = HostTensors.normal(random, 65, 1);
        Tensor inPlace = scene.f32(x, 3, 65);
        scene.ops().rmsNorm(inPlace, inPlace, scene.f32(weight, 65), 1e-5f);
        ScalarFormulas.rmsNorm(x, weight, 1e-5f).assertMatches(scene.floats(inPlace), "in place");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void swiGluOfEverySize(int inner) {
        Random random = random("swiGlu" + inner);
        Scene scene = scene();
        float[] gateUp = HostTensors.normal(random, 5 * 2 * inner, 3);
        float[] boundary = {0f, -0f, 1e30f, -1e30f, 1e-30f, -88f, 88f, -104f, 200f, -200f};
        for (int i = 0; i < Math.min(inner, boundary.length); i++) {
            gateUp[i] = boundary[i];
            gateUp[2 * inner + i] = 1;
            gateUp[2 * inner + inner + i] = boundary[i];
        }
        Tensor out = scene.output(5, inner);
        scene.ops().swiGlu(out, scene.f32(gateUp, 5, 2L * inner));
        ScalarFormulas.swiGlu(gateUp, inner).assertMatches(scene.floats(out), "swiGlu");
    }

    @Test
    default void gathersRowsAndZerosForPadding() {
        Random random = random("gather");
        Scene scene = scene();
        int width = 207;
        float[] x = HostTensors.normal(random, 11 * width, 1);
        int[] indices = {10, 0, -1, 4, 4, -2, 9};
        Tensor out = scene.output(indices.length, width);
        scene.ops().gatherRows(out, scene.f32(x, 11, width), scene.i32(indices, indices.length));
        float[] got = scene.floats(out);
        for (int i = 0; i < indices.length; i++) {
            float[] wanted = indices[i] < 0
                    ? new float[width]
                    : Arrays.copyOfRange(x, indices[i] * width, (indices[i] + 1) * width);
            assertThat(Arrays.copyOfRange(got, i * width, (i + 1) * width)).isEqualTo(wanted);
        }
    }

    @ParameterizedTest
    @EnumSource
    default void uploadAndReadbackKeepEveryByte(DType dtype) {
        Random random = random("transfer" + dtype);
        for (int elements : new int[] {1, 13, 207, 1021, 4098}) {
            Tensor host = HostTensors.zeros(dtype, elements, 1);
            byte[] bytes = new byte[Math.toIntExact(host.bytes())];
            random.nextBytes(bytes);
            host.data().copyFrom(java.lang.foreign.MemorySegment.ofArray(bytes));
            Tensor device = ops().allocate(MemoryPart.WORKSPACE, dtype, host.shape());
            ops().upload(device, host);
            host.data().fill((byte) 7);
            Tensor back = HostTensors.zeros(dtype, elements, 1);
            ops().readback(back, device);
            assertThat(HostTensors.bytes(back)).isEqualTo(bytes);
        }
    }

    @Test
    default void readsAndWritesPartsOfATensor() {
        Scene scene = scene();
        Tensor device = scene.zeros(DType.F32, 5, 3);
        ops().upload(device.rows(1, 3), HostTensors.f32(new float[] {1, 2, 3, 4, 5, 6}, 2, 3));
        assertThat(scene.floats(device)).containsExactly(0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0);
        assertThat(scene.floats(device.rows(2, 4))).containsExactly(4, 5, 6, 0, 0, 0);
    }

    @Test
    default void allocatesZeroedMemoryAndBooksIt() {
        Scene scene = scene();
        long before = ops().allocatedBytes(MemoryPart.ADAPTER_SLOTS);
        Tensor tensor = ops().allocate(MemoryPart.ADAPTER_SLOTS, DType.F32, Shape.of(13, 207));
        assertThat(ops().allocatedBytes(MemoryPart.ADAPTER_SLOTS) - before).isGreaterThanOrEqualTo(13 * 207 * 4);
        assertThat(scene.floats(tensor)).containsOnly(0f);
        long weights = ops().allocatedBytes(MemoryPart.WEIGHTS);
        ops().prepare(TestWeights.dense(random("book"), DType.F32, 13, 207));
        assertThat(ops().allocatedBytes(MemoryPart.WEIGHTS) - weights).isGreaterThanOrEqualTo(13 * 207 * 4);
    }
}
