package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** BF16 weights in fewer bits, beside the same weights at 256 bits, which stay as they are. */
class CompressedWeightsTest {
    private static final long BUDGET = 64 << 20;
    private static final int COLUMNS = 192;
    private static final int[] ROWS = {1, 2, 31, 32, 33, 64, 65, 97, 200};
    private static final int[] INPUTS = {1, 2, 3, 8, 11, 12, 13, 24, 25, 40, 70};

    /** Sixteen exponents, one of them that of zero and one that of numbers that are none. */
    private static final int[] EXPONENTS = {0, 255, 254, 1, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 130};

    @BeforeAll
    static void needsMachineCode() {
        assumeTrue(MachineCode.runs(MachineCode.WIDE_BITS), "this machine has no AVX-512: nothing is compressed on it");
    }

    private interface Exponent {
        int of(int row, int column);
    }

    private static Weight.Dense weight(Random random, int rows, Exponent exponent) {
        MemorySegment data = MemorySegment.ofArray(new byte[2 * rows * COLUMNS]);
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < COLUMNS; column++) {
                int bits = random.nextInt(1 << 16) & 0x807f | exponent.of(row, column) << 7;
                data.set(Raw.I16, 2L * (row * COLUMNS + column), (short) bits);
            }
        }
        return new Weight.Dense(new Tensor(data, DType.BF16, Shape.of(rows, COLUMNS)));
    }

    private static VectorOps ops(int bits) {
        return new VectorOps(BUDGET, 2, bits, CpuKernels.AUTO);
    }

    private static short bits(Weight.Dense weight, int index) {
        return weight.values().data().get(Raw.I16, 2L * index);
    }

    private static void assertElements(Tiles tiles, Weight.Dense weight) {
        MemorySegment row = Arena.ofAuto().allocate(4L * COLUMNS, 4);
        for (int i = 0; i < weight.rows() * COLUMNS; i++) {
            if (i % COLUMNS == 0) {
                tiles.row(i / COLUMNS, row.address());
            }
            assertThat(List.of(
                            Float.floatToRawIntBits(tiles.element(i / COLUMNS, i % COLUMNS)),
                            row.get(Raw.I32, 4L * (i % COLUMNS))))
                    .as("row %d, column %d", i / COLUMNS, i % COLUMNS)
                    .containsOnly(bits(weight, i) << 16);
        }
    }

    @Test
    void everyValueOfSixteenExponentsComesBack() {
        Random random = new Random(1);
        for (int rows : ROWS) {
            Weight.Dense weight = weight(random, rows, (row, column) -> EXPONENTS[random.nextInt(16)]);
            try (VectorOps ops = ops(MachineCode.WIDE_BITS)) {
                Tiles tiles = VectorOps.prepared(ops.prepare(weight)).part(0);
                assertThat(tiles).isInstanceOf(Tiles.Compressed.class);
                assertElements(tiles, weight);
                long values = (long) (rows + 63) / 64 * 64 * COLUMNS;
                assertThat(ops.allocatedBytes(MemoryPart.WEIGHTS)).isBetween(values * 12 / 8, values * 12 / 8 + 512);
            }
        }
    }

    @Test
    void aPieceWithAnotherExponentStaysAsItIs() {
        Random random = new Random(2);
        int rows = 200;
        // in the second segment of the third unit, and in the last of the last row's
        Weight.Dense weight = weight(
                random,
                rows,
                (row, column) ->
                        row == 70 && column == 100 || row == 199 && column == 191 ? 90 : EXPONENTS[random.nextInt(16)]);
        try (VectorOps ops = ops(MachineCode.WIDE_BITS)) {
            Tiles.Compressed tiles =
                    (Tiles.Compressed) VectorOps.prepared(ops.prepare(weight)).part(0);
            for (int unit = 0; unit < 8; unit++) {
                for (int segment = 0; segment < 3; segment++) {
                    boolean raw = unit == 2 && segment == 1 || unit == 6 && segment == 2;
                    assertThat(tiles.kind(unit, segment))
                            .isEqualTo(raw ? Tiles.Compressed.RAW : Tiles.Compressed.CODED);
                }
            }
            assertElements(tiles, weight);
        }
    }

    @Test
    void aWeightOfTooManyExponentsStaysAsItIs() {
        Random random = new Random(3);
        Weight.Dense weight = weight(random, 70, (row, column) -> 100 + random.nextInt(17));
        try (VectorOps ops = ops(MachineCode.WIDE_BITS)) {
            Tiles tiles = VectorOps.prepared(ops.prepare(weight)).part(0);
            assertThat(tiles).isInstanceOf(Tiles.Dense.class);
            assertElements(tiles, weight);
        }
    }

    @Test
    void productsAreThoseOfTheWeightAsItWas() {
        Random random = new Random(4);
        for (int rows : ROWS) {
            Weight.Dense weight = mixed(random, rows);
            float[] bias = CpuFixtures.normal(random, rows);
            for (int count : INPUTS) {
                float[] x = CpuFixtures.normal(random, count * COLUMNS);
                for (float[] some : new float[][] {null, bias}) {
                    assertThat(linear(MachineCode.WIDE_BITS, weight, x, some))
                            .as("%d rows of x, %d of the weight", count, rows)
                            .isEqualTo(linear(MachineCode.BITS, weight, x, some));
                }
            }
        }
    }

    /** Sixteen exponents, and one more in the first piece of every 64 rows' first half and in the second piece of its second half. */
    private static Weight.Dense mixed(Random random, int rows) {
        return weight(random, rows, (row, column) -> {
            boolean rare = row % 64 == 5 && column == 0 || row % 64 == 40 && column == 70;
            return rare ? 90 : 109 + random.nextInt(16);
        });
    }

    private static float[] linear(int bits, Weight.Dense weight, float[] x, float[] bias) {
        int count = x.length / COLUMNS;
        try (VectorOps ops = ops(bits)) {
            Weight prepared = ops.prepare(weight);
            if (bits == MachineCode.WIDE_BITS) {
                assertThat(VectorOps.prepared(prepared).part(0)).isInstanceOf(Tiles.Compressed.class);
            }
            Tensor out = CpuFixtures.zeros(ops, count, weight.rows());
            ops.linear(
                    out,
                    CpuFixtures.floats(ops, x, count, COLUMNS),
                    prepared,
                    bias == null ? null : CpuFixtures.floats(ops, bias, bias.length),
                    null);
            return CpuFixtures.read(out);
        }
    }

    @Test
    void gradientsAreThoseOfTheWeightAsItWas() {
        Random random = new Random(5);
        for (int rows : ROWS) {
            Weight.Dense weight = mixed(random, rows);
            float[] dy = CpuFixtures.normal(random, 9 * rows);
            assertThat(gradient(weight, dy)).as("%d rows", rows).isEqualTo(gradient(floats(weight), dy));
        }
    }

    /** The same values at 32 bits, which are not compressed. */
    private static Weight.Dense floats(Weight.Dense weight) {
        MemorySegment data = MemorySegment.ofArray(new byte[4 * weight.rows() * COLUMNS]);
        for (int i = 0; i < weight.rows() * COLUMNS; i++) {
            data.set(Raw.F32, 4L * i, CpuFixtures.element(weight, i));
        }
        return new Weight.Dense(new Tensor(data, DType.F32, Shape.of(weight.rows(), COLUMNS)));
    }

    private static float[] gradient(Weight.Dense weight, float[] dy) {
        int count = dy.length / weight.rows();
        try (VectorOps ops = ops(MachineCode.WIDE_BITS)) {
            Tensor dx = CpuFixtures.zeros(ops, count, COLUMNS);
            ops.training()
                    .linearBackward(dx, CpuFixtures.floats(ops, dy, count, weight.rows()), ops.prepare(weight), false);
            return CpuFixtures.read(dx);
        }
    }
}
