package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A row's result depends on nothing but the row. */
interface InvarianceContract extends ContractSubject {

    interface RowsToRows {
        /** [rows, in] -> [rows, out] */
        float[] of(float[] x, int[] pick);
    }

    /** The rows picked, run together, give what each gave in the whole batch. */
    private void check(String what, float[] x, int in, RowsToRows operation) {
        int rows = x.length / in;
        int[] all = new int[rows];
        Arrays.setAll(all, i -> i);
        float[] whole = operation.of(x, all);
        assertThat(operation.of(x, all)).as(what + " twice").isEqualTo(whole);
        int out = whole.length / rows;
        for (int[] pick : new int[][] {
            {0},
            {rows - 1},
            {rows / 2},
            {3, 1},
            {5, 5, 5},
            {7, 2, 9, 0},
            {1, 2, 3, 4, 5, 6, 7, 8, 9},
            {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
        }) {
            float[] part = operation.of(x, pick);
            for (int i = 0; i < pick.length; i++) {
                float[] alone = Arrays.copyOfRange(part, i * out, (i + 1) * out);
                float[] together = Arrays.copyOfRange(whole, pick[i] * out, (pick[i] + 1) * out);
                if (bitExact()) {
                    assertThat(alone)
                            .as("%s, rows %s", what, Arrays.toString(pick))
                            .isEqualTo(together);
                } else {
                    // the contract of each operation bounds both; here the same row must at least be meant
                    assertThat(alone)
                            .as(what)
                            .usingComparatorWithPrecision(1e-3f)
                            .containsExactly(together);
                }
            }
        }
    }

    private static float[] picked(float[] x, int in, int[] pick) {
        float[] rows = new float[pick.length * in];
        for (int i = 0; i < pick.length; i++) {
            System.arraycopy(x, pick[i] * in, rows, i * in, in);
        }
        return rows;
    }

    @Test
    default void linearGivesARowTheSameInAnyBatch() {
        Random random = random("invariantLinear");
        Scene scene = scene();
        int in = 1021;
        for (Weight weight : List.of(
                TestWeights.nested(random, FourBitCode.NF4, 207, in, 64),
                TestWeights.plain(random, FourBitCode.FP4, 65, 1024, 64),
                TestWeights.dense(random, DType.BF16, 207, in),
                TestWeights.dense(random, DType.F32, 13, in))) {
            int columns = weight.columns();
            Weight prepared = scene.ops().prepare(weight);
            check(
                    weight.getClass().getSimpleName(),
                    HostTensors.normal(random, 67 * columns, 1),
                    columns,
                    (x, pick) -> {
                        Tensor out = scene.output(pick.length, weight.rows());
                        Tensor rows = scene.f32(picked(x, columns, pick), pick.length, columns);
                        scene.ops().linear(out, rows, prepared, null, null);
                        return scene.floats(out);
                    });
        }
    }

    @Test
    default void adaptersOfOtherRowsChangeNoRow() {
        Random random = random("invariantLora");
        Scene scene = scene();
        int in = 207;
        Weight weight = new Weight.Fused(List.of(
                TestWeights.nested(random, FourBitCode.NF4, 64, in, 64),
                TestWeights.dense(random, DType.BF16, 31, in)));
        Weight prepared = scene.ops().prepare(weight);
        TestAdapters adapters = new TestAdapters(2)
                .slot(TestAdapters.lowRank(random, 8, in, 64, DType.BF16, false), TestAdapters.none())
                .slot(
                        TestAdapters.lowRank(random, 64, in, 64, DType.F32, true),
                        TestAdapters.replacement(random, in, 31, DType.BF16))
                .slot(TestAdapters.none(), TestAdapters.lowRank(random, 1, in, 31, DType.F16, false));
        int rows = 19;
        int[] slots = new int[rows];
        Arrays.setAll(slots, i -> i % 4 - 1);
        Tensor bias = scene.f32(HostTensors.normal(random, 95, 1), 95);
        check("adapters", HostTensors.normal(random, rows * in, 1), in, (x, pick) -> {
            int[] picked = Arrays.stream(pick).map(row -> slots[row]).toArray();
            Tensor out = scene.output(pick.length, 95);
            LoraRows lora = adapters.rows(scene, picked, 0, 2, 64);
            scene.ops().linear(out, scene.f32(picked(x, in, pick), pick.length, in), prepared, bias, lora);
            return scene.floats(out);
        });
        check("base rows with and without a table", HostTensors.normal(random, 10 * in, 1), in, (x, pick) -> {
            int[] none = new int[pick.length];
            Arrays.fill(none, -1);
            LoraRows lora = pick.length % 2 == 0 ? null : adapters.rows(scene, none, 0, 2, 64);
            Tensor out = scene.output(pick.length, 95);
            scene.ops().linear(out, scene.f32(picked(x, in, pick), pick.length, in), prepared, bias, lora);
            return scene.floats(out);
        });
    }

    @Test
    default void rowOperationsGiveARowTheSameInAnyBatch() {
        Random random = random("invariantRows");
        Scene scene = scene();
        int size = 206;
        Tensor weight = scene.f32(HostTensors.normal(random, size, 1), size);
        check("rmsNorm", HostTensors.normal(random, 33 * size, 1), size, (x, pick) -> {
            Tensor out = scene.output(pick.length, size);
            scene.ops().rmsNorm(out, scene.f32(picked(x, size, pick), pick.length, size), weight, 1e-5f);
            return scene.floats(out);
        });
        check("swiGlu", HostTensors.normal(random, 33 * size, 1), size, (x, pick) -> {
            Tensor out = scene.output(pick.length, size / 2);
            scene.ops().swiGlu(out, scene.f32(picked(x, size, pick), pick.length, size));
            return scene.floats(out);
        });
    }

    @Test
    default void attentionGivesARowTheSameBesideAnySequence() {
        AttentionShape shape = new AttentionShape(6, 2, 32, 0, 0.2f);
        int[] lengths = {9, 13, 6};
        AttentionTrial together = new AttentionTrial(scene(), random("beside"), shape, false, 1, lengths);
        together.step(
                new AttentionTrial.Chunk(0, 0, 8),
                new AttentionTrial.Chunk(1, 0, 12),
                new AttentionTrial.Chunk(2, 0, 5));
        float[][] batch = together.step(
                new AttentionTrial.Chunk(0, 8, 9),
                new AttentionTrial.Chunk(1, 12, 13),
                new AttentionTrial.Chunk(2, 5, 6),
                new AttentionTrial.Chunk(-1, 0, 5));
        AttentionTrial alone = new AttentionTrial(scene(), random("beside"), shape, false, 1, lengths);
        for (int sequence = 0; sequence < 3; sequence++) {
            int last = lengths[sequence] - 1;
            alone.step(new AttentionTrial.Chunk(sequence, 0, last));
            float[] single = alone.step(new AttentionTrial.Chunk(sequence, last, last + 1))[0];
            if (bitExact()) {
                assertThat(single).isEqualTo(batch[sequence]);
            }
        }
    }
}
