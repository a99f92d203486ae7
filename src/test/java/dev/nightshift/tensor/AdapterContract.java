package dev.nightshift.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code linear} with adapters. */
interface AdapterContract extends ContractSubject {

    private void check(
            String what, float[] x, Weight weight, float[] bias, TestAdapters adapters, int[] slots, int first) {
        Scene scene = scene();
        List<Integer> partRows = new ArrayList<>();
        if (weight instanceof Weight.Fused fused) {
            fused.parts().forEach(part -> partRows.add(part.rows()));
        } else {
            partRows.add(weight.rows());
        }
        int rows = slots.length;
        Tensor out = scene.output(rows, weight.rows());
        LoraRows lora = adapters.rows(scene, slots, first, partRows.size(), 256);
        Tensor biases = bias == null ? null : scene.f32(bias, bias.length);
        scene.ops()
                .linear(out, scene.f32(x, rows, weight.columns()), scene.ops().prepare(weight), biases, lora);
        ScalarFormulas.linear(x, weight.columns(), TestWeights.values(weight), partRows, bias, adapters, slots, first)
                .assertMatches(scene.floats(out), what);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 29})
    default void mixesRanksAndRowsWithoutAdapterInOneBatch(int rows) {
        Random random = random("ranks" + rows);
        int in = 207;
        int out = 129;
        int[] ranks = {1, 2, 8, 13, 64, 256};
        TestAdapters adapters = new TestAdapters(2);
        for (int rank : ranks) {
            adapters.slot(TestAdapters.none(), TestAdapters.lowRank(random, rank, in, out, DType.F32, false));
        }
        int[] slots = new int[rows];
        for (int i = 0; i < rows; i++) {
            slots[i] = random.nextInt(ranks.length + 1) - 1;
        }
        float[] x = HostTensors.normal(random, rows * in, 1);
        check("ranks", x, TestWeights.nested(random, FourBitCode.NF4, out, in, 64), null, adapters, slots, 1);
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16"})
    default void readsFactorsOfEveryType(DType dtype) {
        Random random = random("factors" + dtype);
        TestAdapters adapters = new TestAdapters(1)
                .slot(TestAdapters.lowRank(random, 13, 207, 65, dtype, false))
                .slot(TestAdapters.replacement(random, 207, 65, dtype));
        int[] slots = {1, 0, -1, 0, 1};
        float[] x = HostTensors.normal(random, slots.length * 207, 1);
        float[] bias = HostTensors.normal(random, 65, 1);
        check(dtype.name(), x, TestWeights.dense(random, DType.BF16, 65, 207), bias, adapters, slots, 0);
    }

    @Test
    default void multipliesTheOutputGainBeforeTheBias() {
        Random random = random("gain");
        TestAdapters adapters = new TestAdapters(1)
                .slot(TestAdapters.lowRank(random, 8, 207, 129, DType.BF16, true))
                .slot(TestAdapters.lowRank(random, 8, 207, 129, DType.F32, false));
        int[] slots = {0, -1, 1, 0, 0};
        float[] x = HostTensors.normal(random, slots.length * 207, 1);
        float[] bias = HostTensors.normal(random, 129, 1);
        check("gain", x, TestWeights.nested(random, FourBitCode.NF4, 129, 207, 64), bias, adapters, slots, 0);
    }

    @Test
    default void adaptsEachPartOfAFusedWeightForItself() {
        Random random = random("fusedParts");
        int in = 191;
        Weight weight = new Weight.Fused(List.of(
                TestWeights.nested(random, FourBitCode.NF4, 96, in, 64),
                TestWeights.plain(random, FourBitCode.NF4, 33, in, 64),
                TestWeights.dense(random, DType.BF16, 32, in)));
        TestAdapters adapters = new TestAdapters(5)
                .slot(
                        TestAdapters.replacement(random, 3, 3, DType.F32),
                        TestAdapters.lowRank(random, 16, in, 96, DType.F32, false),
                        TestAdapters.none(),
                        TestAdapters.lowRank(random, 5, in, 32, DType.BF16, true),
                        TestAdapters.none())
                .slot(
                        TestAdapters.none(),
                        TestAdapters.none(),
                        TestAdapters.replacement(random, in, 33, DType.BF16),
                        TestAdapters.lowRank(random, 64, in, 32, DType.F16, false),
                        TestAdapters.none())
                .slot(
                        TestAdapters.none(),
                        TestAdapters.none(),
                        TestAdapters.none(),
                        TestAdapters.none(),
                        TestAdapters.none());
        int[] slots = {0, 0, 1, -1, 2, 1, 0, 2, -1, 1, 1};
        float[] x = HostTensors.normal(random, slots.length * in, 1);
        check("parts", x, weight, HostTensors.normal(random, weight.rows(), 1), adapters, slots, 1);
    }

    @Test
    default void aChangedTableCountsAtTheNextCall() {
        Random random = random("table");
        Scene scene = scene();
        Weight weight = TestWeights.nested(random, FourBitCode.NF4, 40, 96, 64);
        Weight prepared = scene.ops().prepare(weight);
        float[] x = HostTensors.normal(random, 3 * 96, 1);
        Tensor xs = scene.f32(x, 3, 96);
        Tensor out = scene.output(3, 40);
        int[] slots = {0, -1, 0};
        Tensor[] arena = new Tensor[1];
        LoraRows lora = null;
        for (int version = 0; version < 2; version++) {
            TestAdapters adapters =
                    new TestAdapters(1).slot(TestAdapters.lowRank(random, 4, 96, 40, DType.F32, version == 1));
            LoraRows fresh = adapters.rows(scene, slots, 0, 1, 16);
            if (lora == null) {
                arena[0] = scene.zeros(DType.U8, 1 << 16);
                lora = new LoraRows(
                        new LoraTable(arena[0], fresh.table().entries(), 16), fresh.rowSlots(), 0, fresh.scratch());
            }
            byte[] bytes = scene.bytes(fresh.table().arena());
            scene.ops().upload(arena[0].rows(0, bytes.length), HostTensors.u8(bytes, bytes.length));
            Tensor entries = HostTensors.zeros(DType.I64, 1, 1, LoraTable.FIELDS);
            scene.ops().readback(entries, fresh.table().entries());
            scene.ops().upload(lora.table().entries(), entries);
            scene.ops().linear(out, xs, prepared, null, lora);
            ScalarFormulas.linear(x, 96, TestWeights.values(weight), List.of(40), null, adapters, slots, 0)
                    .assertMatches(scene.floats(out), "version " + version);
        }
    }
}
