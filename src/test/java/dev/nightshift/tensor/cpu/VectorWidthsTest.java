package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.quant.CodeBook;
import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/**
 * Every width that a machine can be asked for, and every number of threads, gives the same bits, those of the plain loop that
 * defines them. Widths beyond the machine's own run in the JDK's emulation.
 */
class VectorWidthsTest {
    private static final int[] WIDTHS = {128, 256, 512};
    private static final long BUDGET = 64L << 20;
    /** A whole tile of the widest vectors, half of one, and a few. */
    private static final int WEIGHT_ROWS = 103;

    private static void sameAtEveryWidth(String what, Function<VectorOps, float[]> operation, float[] wanted) {
        for (int bits : WIDTHS) {
            wanted = same(what + ", " + bits, bits, CpuKernels.VECTOR, operation, wanted);
        }
        // differs where the machine has machine code
        same(what + ", machine code", MachineCode.BITS, CpuKernels.AUTO, operation, wanted);
        same(what + ", wide machine code", MachineCode.WIDE_BITS, CpuKernels.AUTO, operation, wanted);
    }

    private static float[] same(
            String what, int bits, CpuKernels kernels, Function<VectorOps, float[]> operation, float[] wanted) {
        float[] expected = wanted;
        for (int threads : new int[] {1, 3}) {
            try (VectorOps ops = new VectorOps(BUDGET, threads, bits, kernels)) {
                float[] got = operation.apply(ops);
                expected = expected == null ? got : expected;
                assertThat(got).as("%s, %d threads", what, threads).isEqualTo(expected);
            }
        }
        return expected;
    }

    private static float[] linear(VectorOps ops, float[] x, Weight weight, float[] bias) {
        int rows = x.length / weight.columns();
        Tensor out = CpuFixtures.zeros(ops, rows, weight.rows());
        ops.linear(
                out,
                CpuFixtures.floats(ops, x, rows, weight.columns()),
                ops.prepare(weight),
                bias == null ? null : CpuFixtures.floats(ops, bias, bias.length),
                null);
        return CpuFixtures.read(out);
    }

    /** Sums over stretches of k that share a scale, each folded into the total. */
    private static float[] chain(float[] x, Weight.FourBit weight, int segment, float[] bias) {
        int columns = weight.columns();
        int rows = x.length / columns;
        CodeBook book = CodeBook.of(weight.code());
        Tensor absmax = ((BlockScales.Plain) weight.scales()).absmax();
        float[] out = new float[rows * weight.rows()];
        for (int row = 0; row < rows; row++) {
            for (int n = 0; n < weight.rows(); n++) {
                float total = 0;
                for (int k = 0; k < columns; k += segment) {
                    float sum = 0;
                    for (int i = k; i < k + segment; i++) {
                        int index = n * columns + i;
                        int pair = weight.packed().data().get(ValueLayout.JAVA_BYTE, index / 2);
                        int code = (index % 2 == 0 ? pair >> 4 : pair) & 15;
                        sum = Math.fma(x[row * columns + i], book.value(code), sum);
                    }
                    int block = (n * columns + k) / weight.blockSize();
                    total = Math.fma(sum, absmax.data().get(Raw.F32, 4L * block), total);
                }
                out[row * weight.rows() + n] = bias == null ? total : total + bias[n];
            }
        }
        return out;
    }

    private static float[] chain(float[] x, Weight.Dense weight, float[] bias) {
        int columns = weight.columns();
        int rows = x.length / columns;
        float[] out = new float[rows * weight.rows()];
        for (int row = 0; row < rows; row++) {
            for (int n = 0; n < weight.rows(); n++) {
                float total = 0;
                for (int k = 0; k < columns; k += Linear.DENSE_SEGMENT) {
                    float sum = 0;
                    for (int i = k; i < Math.min(columns, k + Linear.DENSE_SEGMENT); i++) {
                        sum = Math.fma(x[row * columns + i], CpuFixtures.element(weight, n * columns + i), sum);
                    }
                    total += sum;
                }
                out[row * weight.rows() + n] = bias == null ? total : total + bias[n];
            }
        }
        return out;
    }

    @Test
    void fourBitLinearIsTheChainOverBlocks() {
        Random random = new Random(1);
        for (FourBitCode code : FourBitCode.values()) {
            // segments of 64, 32 (block of 32), 16 and 8 (row lengths that blocks cross)
            for (int[] size : new int[][] {{128, 64, 64}, {128, 32, 32}, {80, 64, 16}, {72, 128, 8}, {192, 4096, 64}}) {
                Weight.FourBit weight = CpuFixtures.fourBit(random, code, WEIGHT_ROWS, size[0], size[1]);
                float[] bias = CpuFixtures.normal(random, WEIGHT_ROWS);
                for (int rows : new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 18, 24, 25, 31}) {
                    float[] x = CpuFixtures.normal(random, rows * size[0]);
                    sameAtEveryWidth(
                            code + " without bias " + List.of(size[0], size[1], rows),
                            ops -> linear(ops, x, weight, null),
                            chain(x, weight, size[2], null));
                    sameAtEveryWidth(
                            code + " " + List.of(size[0], size[1], rows),
                            ops -> linear(ops, x, weight, bias),
                            chain(x, weight, size[2], bias));
                }
            }
        }
    }

    /** Threads' pieces that begin and end inside parts, a part without a whole tile, and calls that a part is too long for. */
    @Test
    void aFusedWeightGivesWhatItsPartsGive() {
        Random random = new Random(7);
        int columns = 128;
        for (int[] sizes : new int[][] {{70, 20, 96}, {1200, 33, 64}}) {
            List<Weight> parts = new ArrayList<>();
            for (int size : sizes) {
                parts.add(CpuFixtures.fourBit(random, FourBitCode.NF4, size, columns, 64));
            }
            int total = Arrays.stream(sizes).sum();
            float[] bias = CpuFixtures.normal(random, total);
            for (int rows : new int[] {2, 5, 8, 11, 13, 30}) {
                float[] x = CpuFixtures.normal(random, rows * columns);
                float[] wanted = new float[rows * total];
                int first = 0;
                for (Weight part : parts) {
                    float[] own = Arrays.copyOfRange(bias, first, first + part.rows());
                    float[] out = chain(x, (Weight.FourBit) part, 64, own);
                    for (int row = 0; row < rows; row++) {
                        System.arraycopy(out, row * part.rows(), wanted, row * total + first, part.rows());
                    }
                    first += part.rows();
                }
                sameAtEveryWidth(
                        "fused " + Arrays.toString(sizes) + ", rows " + rows,
                        ops -> linear(ops, x, new Weight.Fused(parts), bias),
                        wanted);
            }
        }
    }

    @Test
    void denseLinearIsTheChainOverSegments() {
        Random random = new Random(2);
        for (DType dtype : List.of(DType.BF16, DType.F16, DType.F32)) {
            for (int columns : new int[] {64, 101, 130, 192}) {
                Weight.Dense weight = CpuFixtures.dense(random, dtype, WEIGHT_ROWS, columns);
                float[] bias = CpuFixtures.normal(random, WEIGHT_ROWS);
                for (int rows : new int[] {1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 16, 17, 25, 29}) {
                    float[] x = CpuFixtures.normal(random, rows * columns);
                    sameAtEveryWidth(
                            dtype + " without bias " + List.of(columns, rows),
                            ops -> linear(ops, x, weight, null),
                            chain(x, weight, null));
                    sameAtEveryWidth(
                            dtype + " " + List.of(columns, rows),
                            ops -> linear(ops, x, weight, bias),
                            chain(x, weight, bias));
                }
            }
        }
    }

    @Test
    void weightsWhoseBlocksCrossRowsAnywhereAreTheSame() {
        Random random = new Random(3);
        Weight.FourBit weight = CpuFixtures.fourBit(random, FourBitCode.NF4, 35, 77, 64);
        float[] x = CpuFixtures.normal(random, 3 * 77);
        sameAtEveryWidth("77 columns", ops -> linear(ops, x, weight, new float[35]), null);
    }

    @Test
    void rowOperationsAreTheSame() {
        Random random = new Random(4);
        int width = 77;
        float[] x = CpuFixtures.normal(random, 6 * width);
        float[] weight = CpuFixtures.normal(random, width);
        sameAtEveryWidth(
                "norm",
                ops -> {
                    Tensor out = CpuFixtures.zeros(ops, 6, width);
                    ops.rmsNorm(
                            out, CpuFixtures.floats(ops, x, 6, width), CpuFixtures.floats(ops, weight, width), 1e-5f);
                    return CpuFixtures.read(out);
                },
                null);
        sameAtEveryWidth(
                "swiGlu",
                ops -> {
                    Tensor out = CpuFixtures.zeros(ops, 3, width);
                    ops.swiGlu(out, CpuFixtures.floats(ops, x, 3, 2 * width));
                    return CpuFixtures.read(out);
                },
                null);
    }

    @Test
    void attentionIsTheSame() {
        Random random = new Random(5);
        AttentionShape shape = new AttentionShape(6, 2, 22, 9, 0.2f);
        int rows = 21;
        int blockTokens = 5;
        float[] qkv = CpuFixtures.normal(random, rows * 10 * 22);
        float[] cosSin = CpuFixtures.normal(random, rows * 22);
        sameAtEveryWidth("attention", ops -> attention(ops, shape, rows, blockTokens, qkv, cosSin), null);
    }

    private static float[] attention(
            VectorOps ops, AttentionShape shape, int rows, int blockTokens, float[] qkv, float[] cosSin) {
        KvLayout layout = ops.kvLayout(2, shape.kvHeads(), shape.headDim(), blockTokens);
        int blocks = rows / blockTokens + 1;
        List<Integer> positions = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
            positions.add(i);
        }
        int[] position = positions.stream().mapToInt(Integer::intValue).toArray();
        int[] table = new int[blocks];
        for (int i = 0; i < blocks; i++) {
            table[i] = blocks - 1 - i;
        }
        int[] slots = positions.stream()
                .mapToInt(i -> table[i / blockTokens] * blockTokens + i % blockTokens)
                .toArray();
        AttentionRows attentionRows = new AttentionRows(
                CpuFixtures.ints(ops, position, rows),
                CpuFixtures.ints(ops, new int[rows], rows),
                CpuFixtures.ints(ops, slots, rows),
                CpuFixtures.ints(ops, table, 1, blocks),
                CpuFixtures.floats(ops, cosSin, rows, shape.headDim()));
        Tensor cache = ops.allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(blocks, layout.blockBytes()));
        Tensor x = CpuFixtures.floats(ops, qkv, rows, 10L * shape.headDim());
        Tensor out = CpuFixtures.zeros(ops, rows, 6L * shape.headDim());
        ops.ropeAndStore(x, null, null, 0, attentionRows, shape, cache, layout, 1);
        ops.attention(out, x, attentionRows, shape, cache, layout, 1);
        return CpuFixtures.read(out);
    }

    /** Rows alone or among others, more weight rows than are summed at a time, segments narrower than a vector of 16. */
    @Test
    void gradientsThroughAWeightAreRightAtEveryWidthAndTheSameInAnyCompany() {
        Random random = new Random(11);
        for (Weight.FourBit weight : List.of(
                CpuFixtures.fourBit(random, FourBitCode.NF4, 1060, 104, 64),
                CpuFixtures.fourBit(random, FourBitCode.FP4, 70, 192, 64))) {
            int rows = 9;
            float[] dy = CpuFixtures.normal(random, rows * weight.rows());
            float[] values = values(weight);
            for (int bits : WIDTHS) {
                float[] all = gradient(bits, 3, weight, dy);
                for (int i = 0; i < all.length; i++) {
                    double sum = 0;
                    double size = 0;
                    for (int n = 0; n < weight.rows(); n++) {
                        double term = (double) dy[i / weight.columns() * weight.rows() + n]
                                * values[n * weight.columns() + i % weight.columns()];
                        sum += term;
                        size += Math.abs(term);
                    }
                    assertThat((double) all[i])
                            .as("%d bits, element %d", bits, i)
                            .isCloseTo(sum, within(1e-6 * size));
                }
                for (int row = 0; row < rows; row++) {
                    float[] one = gradient(
                            bits, 1, weight, Arrays.copyOfRange(dy, row * weight.rows(), (row + 1) * weight.rows()));
                    assertThat(one)
                            .as("%d bits, row %d alone", bits, row)
                            .isEqualTo(Arrays.copyOfRange(all, row * weight.columns(), (row + 1) * weight.columns()));
                }
            }
        }
    }

    private static float[] gradient(int bits, int threads, Weight weight, float[] dy) {
        int rows = dy.length / weight.rows();
        try (VectorOps ops = new VectorOps(BUDGET, threads, bits, CpuKernels.AUTO)) {
            Tensor dx = CpuFixtures.zeros(ops, rows, weight.columns());
            ops.training()
                    .linearBackward(dx, CpuFixtures.floats(ops, dy, rows, weight.rows()), ops.prepare(weight), false);
            return CpuFixtures.read(dx);
        }
    }

    /** Whole octets, quartets and single k, from a place inside the arrays on, each the chain that its total begins. */
    @Test
    void chainsGoOnFromTheirTotals() {
        Random random = new Random(12);
        List<ChainLanes> kinds = new ArrayList<>(List.of(new ChainVectors()));
        for (int bits : new int[] {MachineCode.BITS, MachineCode.WIDE_BITS}) {
            if (MachineCode.runs(bits)) {
                kinds.add(new MachineChains(bits));
            }
        }
        for (int k : new int[] {64, 12, 7}) {
            int groups = 3;
            int stride = 4 * k + 4;
            Floats packed = random(random, 5 + groups * stride);
            Floats apart = random(random, 5 + 4 * groups * ChainLanes.COLUMNS);
            Floats panel = random(random, 3 + Math.max(k, ChainLanes.COLUMNS) * ChainLanes.COLUMNS);
            float[] before = CpuFixtures.normal(random, 9 + 4 * groups * ChainLanes.COLUMNS);
            for (ChainLanes lanes : kinds) {
                Floats totals = copy(before);
                lanes.packed(packed, 5, stride, groups, panel, 3, k, totals, 9);
                assertChains(
                        totals, before, k, panel, (row, i) -> packed.values()[5 + row / 4 * stride + 4 * i + row % 4]);
                Floats others = copy(before);
                lanes.apart(apart, 5, groups, panel, 3, others, 9);
                assertChains(
                        others,
                        before,
                        ChainLanes.COLUMNS,
                        panel,
                        (row, i) -> apart.values()[5 + row * ChainLanes.COLUMNS + i]);
            }
        }
    }

    private interface Factor {
        float of(int row, int k);
    }

    private static void assertChains(Floats totals, float[] before, int k, Floats panel, Factor x) {
        float[] wanted = before.clone();
        for (int at = 9; at < wanted.length; at++) {
            int row = (at - 9) / ChainLanes.COLUMNS;
            int column = (at - 9) % ChainLanes.COLUMNS;
            for (int i = 0; i < k; i++) {
                wanted[at] = Math.fma(x.of(row, i), panel.values()[3 + i * ChainLanes.COLUMNS + column], wanted[at]);
            }
        }
        assertThat(totals.values()).as("k %d", k).isEqualTo(wanted);
    }

    private static Floats random(Random random, int length) {
        return copy(CpuFixtures.normal(random, length));
    }

    private static Floats copy(float[] values) {
        Floats copy = Floats.of(values.length);
        System.arraycopy(values, 0, copy.values(), 0, values.length);
        return copy;
    }

    private static float[] values(Weight.FourBit weight) {
        float[] values = new float[weight.rows() * weight.columns()];
        try (VectorOps ops = new VectorOps(BUDGET, 1)) {
            Tiles tiles = VectorOps.prepared(ops.prepare(weight)).part(0);
            for (int i = 0; i < values.length; i++) {
                values[i] = tiles.element(i / weight.columns(), i % weight.columns());
            }
        }
        return values;
    }
}
