package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Attention over the cache gives the same bits at every width, in machine code, on any number of threads and however a prompt is
 * cut, and never looks at what lies beyond a query's own positions.
 */
class AttentionWidthsTest {
    private static final long BUDGET = 64L << 20;

    /** A sequence whose block ids run backwards, in a cache that holds no numbers yet. */
    private record Prompt(AttentionShape shape, int blockTokens, int rows, float[] qkv, float[] cosSin) {

        static Prompt random(Random random, AttentionShape shape, int blockTokens, int rows) {
            int width = (shape.heads() + 2 * shape.kvHeads()) * shape.headDim();
            return new Prompt(
                    shape,
                    blockTokens,
                    rows,
                    CpuFixtures.normal(random, rows * width),
                    CpuFixtures.normal(random, rows * shape.headDim()));
        }

        float[] attend(int bits, CpuKernels kernels, int threads, int chunk) {
            try (VectorOps ops = new VectorOps(BUDGET, threads, bits, kernels)) {
                KvLayout layout = ops.kvLayout(2, shape.kvHeads(), shape.headDim(), blockTokens);
                int blocks = rows / blockTokens + 1;
                Tensor cache = ops.allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(blocks, layout.blockBytes()));
                cache.data().fill((byte) 0xff);
                int outWidth = shape.heads() * shape.headDim();
                float[] all = new float[rows * outWidth];
                for (int from = 0; from < rows; from += chunk) {
                    int to = Math.min(rows, from + chunk);
                    float[] part = attend(ops, layout, cache, blocks, from, to);
                    System.arraycopy(part, 0, all, from * outWidth, part.length);
                }
                return all;
            }
        }

        private float[] attend(VectorOps ops, KvLayout layout, Tensor cache, int blocks, int from, int to) {
            int count = to - from;
            int[] positions = new int[count];
            Arrays.setAll(positions, i -> from + i);
            int[] table = new int[blocks];
            Arrays.setAll(table, block -> blocks - 1 - block);
            int[] slots = Arrays.stream(positions)
                    .map(i -> table[i / blockTokens] * blockTokens + i % blockTokens)
                    .toArray();
            int width = qkv.length / rows;
            AttentionRows attention = new AttentionRows(
                    CpuFixtures.ints(ops, positions, count),
                    CpuFixtures.ints(ops, new int[count], count),
                    CpuFixtures.ints(ops, slots, count),
                    CpuFixtures.ints(ops, table, 1, blocks),
                    CpuFixtures.floats(
                            ops,
                            Arrays.copyOfRange(cosSin, from * shape.headDim(), to * shape.headDim()),
                            count,
                            shape.headDim()));
            Tensor x = CpuFixtures.floats(ops, Arrays.copyOfRange(qkv, from * width, to * width), count, width);
            Tensor out = CpuFixtures.zeros(ops, count, (long) shape.heads() * shape.headDim());
            ops.ropeAndAttention(out, x, null, null, 0, attention, shape, cache, layout, 1);
            return CpuFixtures.read(out);
        }
    }

    /** Heads, key heads, head size, window, tokens of a block, rows: usual ones, odd ones, sizes without machine code. */
    @ParameterizedTest
    @CsvSource({
        "9, 3, 64, 0, 16, 150",
        "2, 2, 64, 0, 16, 70",
        "4, 1, 128, 0, 32, 70",
        "8, 1, 32, 0, 64, 140",
        "7, 1, 16, 20, 16, 150",
        "6, 2, 22, 9, 5, 40",
        "5, 5, 48, 70, 48, 100",
        "2, 1, 26, 1, 3, 20",
        "3, 1, 16, 30, 20, 130",
        "2, 1, 264, 0, 16, 20",
        "3, 1, 16, 0, 70, 150",
        "30, 1, 16, 0, 16, 20",
        "6, 2, 96, 0, 16, 90"
    })
    void attentionIsTheSameHoweverItIsDone(int heads, int kvHeads, int headDim, int window, int blockTokens, int rows) {
        Random random = new Random(5);
        AttentionShape shape = new AttentionShape(heads, kvHeads, headDim, window, (float) (1 / Math.sqrt(headDim)));
        Prompt prompt = Prompt.random(random, shape, blockTokens, rows);
        float[] wanted = prompt.attend(MachineCode.BITS, CpuKernels.VECTOR, 1, rows);
        for (float value : wanted) {
            assertThat(value).isFinite();
        }
        for (int chunk : new int[] {rows, 1, 7, 64}) {
            assertThat(prompt.attend(MachineCode.BITS, CpuKernels.AUTO, 2, chunk))
                    .as("machine code, chunks of %d", chunk)
                    .isEqualTo(wanted);
            assertThat(prompt.attend(MachineCode.WIDE_BITS, CpuKernels.AUTO, 2, chunk))
                    .as("wide machine code, chunks of %d", chunk)
                    .isEqualTo(wanted);
            assertThat(prompt.attend(MachineCode.BITS, CpuKernels.VECTOR, 3, chunk))
                    .as("Vector API, chunks of %d", chunk)
                    .isEqualTo(wanted);
        }
        for (int bits : new int[] {128, 512}) {
            assertThat(prompt.attend(bits, CpuKernels.VECTOR, 2, 40))
                    .as("%d bits", bits)
                    .isEqualTo(wanted);
        }
    }
}
