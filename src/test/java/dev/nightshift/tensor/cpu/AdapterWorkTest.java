package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What adapters cost, counted in calls of the inner loops and the rows they touch, not in time. */
class AdapterWorkTest {
    private static final int BITS = Lanes.preferredBits();
    private static final int IN = 96;
    private static final int OUT = 70;
    private static final int[] RANKS = {3, 8, 5};

    /** Counts what is asked of the loops that adapters run in. */
    private static final class CountingLanes {
        private final RowLanes lanes = Lanes.at(BITS, RowLanes.class, RowVectors.class);
        /** Addresses of the rows of x, of the factors' rows, and of the outputs. */
        private final List<Long> inputs = new ArrayList<>();

        private final List<Long> factors = new ArrayList<>();
        private final List<Long> outputs = new ArrayList<>();
        private final List<Long> biased = new ArrayList<>();

        RowLanes counted() {
            return (RowLanes) Proxy.newProxyInstance(
                    RowLanes.class.getClassLoader(), new Class<?>[] {RowLanes.class}, (proxy, method, arguments) -> {
                        switch (method.getName()) {
                            case "dot" -> {
                                inputs.add((Long) arguments[1]);
                                factors.add((Long) arguments[2]);
                            }
                            case "lowRank" -> outputs.add((Long) arguments[0]);
                            case "add" -> biased.add((Long) arguments[0]);
                            default -> throw new IllegalStateException("adapters use " + method.getName());
                        }
                        return method.invoke(lanes, arguments);
                    });
        }

        int calls() {
            return inputs.size() + outputs.size() + biased.size();
        }
    }

    /** One call of linear over the given slots, its output, and what the adapters did. */
    private static final class Trial implements AutoCloseable {
        private final VectorOps ops = new VectorOps(16L << 20, 1);
        private final Workers workers = new Workers(1);
        private final CountingLanes lanes = new CountingLanes();
        private final Adapters adapters = new Adapters(workers, lanes.counted(), Linear.tileRows(BITS));
        private final Tensor x;
        private final Tensor out;

        Trial(boolean withBias, int... slots) {
            Random random = new Random(5);
            Weight weight = ops.prepare(CpuFixtures.dense(random, DType.BF16, OUT, IN));
            Tensor bias = CpuFixtures.floats(ops, CpuFixtures.normal(random, OUT), OUT);
            LoraTable table = table(random);
            // a row's input depends on nothing but its number
            float[] values = CpuFixtures.normal(new Random(6), slots.length * IN);
            x = CpuFixtures.floats(ops, values, slots.length, IN);
            out = CpuFixtures.zeros(ops, slots.length, OUT);
            LoraRows rows = new LoraRows(
                    table,
                    CpuFixtures.ints(ops, slots, slots.length),
                    0,
                    CpuFixtures.zeros(ops, slots.length, table.rankMax()));
            new Linear(
                            workers,
                            Kernels.of(BITS, CpuKernels.AUTO),
                            adapters,
                            new Scratch(workers.threads()),
                            new Upcoming(workers.threads()))
                    .run(out, x, VectorOps.prepared(weight), withBias ? bias : null, rows);
        }

        private LoraTable table(Random random) {
            int values = Arrays.stream(RANKS).sum() * (IN + OUT);
            Tensor arena = ops.allocate(MemoryPart.WORKSPACE, DType.U8, Shape.of(4L * values));
            for (int i = 0; i < values; i++) {
                arena.data().set(ValueLayout.JAVA_FLOAT, 4L * i, (float) random.nextGaussian() / 8);
            }
            Tensor entries = ops.allocate(MemoryPart.WORKSPACE, DType.I64, Shape.of(RANKS.length, 1, LoraTable.FIELDS));
            long at = 0;
            for (int slot = 0; slot < RANKS.length; slot++) {
                long[] entry = new long[LoraTable.FIELDS];
                entry[LoraTable.A_OFFSET] = at;
                entry[LoraTable.B_OFFSET] = at + 4L * RANKS[slot] * IN;
                entry[LoraTable.RANK] = RANKS[slot];
                entry[LoraTable.SCALE] = Float.floatToRawIntBits(0.5f);
                entry[LoraTable.GAIN_OFFSET] = -1;
                entry[LoraTable.REPLACEMENT_OFFSET] = -1;
                entry[LoraTable.FACTOR_DTYPE] = DType.F32.ordinal();
                at += 4L * RANKS[slot] * (IN + OUT);
                for (int field = 0; field < LoraTable.FIELDS; field++) {
                    entries.data()
                            .setAtIndex(ValueLayout.JAVA_LONG, (long) slot * LoraTable.FIELDS + field, entry[field]);
                }
            }
            return new LoraTable(arena, entries, 8);
        }

        /** Rows whose input or output the adapters' loops were called with. */
        TreeSet<Integer> rowsTouched() {
            TreeSet<Integer> rows = new TreeSet<>();
            lanes.inputs.forEach(address -> rows.add((int) ((address - Raw.address(x)) / (4 * IN))));
            lanes.outputs.forEach(address -> rows.add((int) ((address - Raw.address(out)) / (4 * OUT))));
            return rows;
        }

        float[] row(int row) {
            return Arrays.copyOfRange(CpuFixtures.read(out), row * OUT, (row + 1) * OUT);
        }

        @Override
        public void close() {
            workers.close();
            ops.close();
        }
    }

    @Test
    void aBatchOfBaseRowsDoesNothingForAdapters() {
        try (Trial trial = new Trial(true, -1, -1, -1, -1, -1)) {
            assertThat(trial.lanes.calls()).isZero();
        }
    }

    @Test
    void baseRowsBesideAdaptersAreNotTouched() {
        try (Trial trial = new Trial(false, -1, 1, -1, -1, 1, -1, 0)) {
            assertThat(trial.rowsTouched()).containsExactly(1, 4, 6);
            assertThat(trial.lanes.biased).isEmpty();
        }
    }

    @Test
    void workGrowsWithTheRankOfEachRowsOwnAdapterOnly() {
        int tiles = (OUT + Linear.tileRows(BITS) - 1) / Linear.tileRows(BITS);
        int[] slots = {-1, 1, -1, 2, 1, -1, 0, 0, -1, 2};
        try (Trial trial = new Trial(false, slots)) {
            int ranks =
                    IntStream.of(slots).map(slot -> slot < 0 ? 0 : RANKS[slot]).sum();
            assertThat(trial.lanes.inputs).hasSize(ranks);
            assertThat(trial.lanes.outputs).hasSize(6 * tiles);
        }
    }

    @Test
    void scatteredRowsOfAnAdapterAreOneSegment() {
        try (Trial scattered = new Trial(true, 0, 1, -1, 0, 2, 1, 0, -1, 2);
                Trial sorted = new Trial(true, 0, 0, 0, 1, 1, 2, 2, -1, -1)) {
            assertThat(scattered.adapters.segments()).isEqualTo(3).isEqualTo(sorted.adapters.segments());
            assertThat(scattered.lanes.calls()).isEqualTo(sorted.lanes.calls());
            // every row of A is read once for all its rows, not once for each stretch of them
            assertThat(changes(scattered.lanes.factors))
                    .isEqualTo(Arrays.stream(RANKS).sum());
        }
    }

    private static int changes(List<Long> addresses) {
        int changes = 0;
        for (int i = 0; i < addresses.size(); i++) {
            changes += i == 0 || !addresses.get(i).equals(addresses.get(i - 1)) ? 1 : 0;
        }
        return changes;
    }

    @Test
    void aRowIsTheSameWhereverItsMatesLie() {
        int[] slots = {2, -1, 0, 2, 1, -1, 2, 0};
        try (Trial mixed = new Trial(true, slots)) {
            for (int row = 0; row < slots.length; row++) {
                int[] others = new int[slots.length];
                Arrays.fill(others, -1);
                others[row] = slots[row];
                try (Trial alone = new Trial(true, others)) {
                    assertThat(mixed.row(row)).as("row " + row).containsExactly(alone.row(row));
                }
            }
        }
    }

    @Test
    void theBiasIsAddedToEachRowOnce() {
        try (Trial with = new Trial(true, 0, -1, 0, 1);
                Trial without = new Trial(false, 0, -1, 0, 1)) {
            float[] bias = difference(with.row(1), without.row(1));
            for (int row : new int[] {0, 2, 3}) {
                float[] moved = difference(with.row(row), without.row(row));
                for (int i = 0; i < OUT; i++) {
                    assertThat(moved[i]).isCloseTo(bias[i], offset(1e-4f));
                }
            }
        }
    }

    private static float[] difference(float[] a, float[] b) {
        float[] difference = new float[a.length];
        for (int i = 0; i < a.length; i++) {
            difference[i] = a[i] - b[i];
        }
        return difference;
    }
}
