package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** What kernels are told to fetch: lists as they were added, and after attention what the next layer's will read, thread by thread. */
class UpcomingTest {
    private static final int PIECE = Upcoming.PIECE;
    private static final int THREADS = 2;
    private static final int LAYERS = 3;
    private static final int BLOCK = 16;
    private static final AttentionShape SHAPE = new AttentionShape(4, 2, 64, 0, 0.125f);

    private static List<Long> taken(Upcoming upcoming, int thread, int pieces) {
        long list = upcoming.take(thread, pieces);
        long further = upcoming.offset(list);
        return LongStream.range(0, pieces)
                .mapToObj(i -> Raw.ALL.get(ValueLayout.JAVA_LONG, list + upcoming.step(list) * i) + further)
                .toList();
    }

    /** Whether only one line is fetched, again and again. */
    private static boolean nothing(Upcoming upcoming, int thread) {
        return upcoming.step(upcoming.take(thread, 1)) == 0
                && taken(upcoming, thread, 5).stream().distinct().count() == 1;
    }

    @Test
    void givesEveryThreadItsPiecesInOrderAndThenTheLastOne() {
        Upcoming upcoming = new Upcoming(3);
        assertThat(nothing(upcoming, 0)).isTrue();
        assertThat(upcoming.add(0, 10_000, 2L * PIECE)).isTrue();
        assertThat(upcoming.add(0, 90_000, PIECE)).isTrue();
        assertThat(upcoming.add(2, 50_000, PIECE)).isTrue();
        upcoming.restart(7);
        assertThat(taken(upcoming, 0, 2)).containsExactly(10_007L, 10_007L + PIECE);
        assertThat(taken(upcoming, 0, 3)).containsExactly(90_007L, 90_007L, 90_007L);
        assertThat(nothing(upcoming, 0)).isTrue();
        assertThat(nothing(upcoming, 1)).isTrue();
        assertThat(taken(upcoming, 2, 1)).containsExactly(50_007L);
        upcoming.restart(1_000);
        assertThat(taken(upcoming, 0, 3)).containsExactly(11_000L, 11_000L + PIECE, 91_000L);
        upcoming.clear();
        assertThat(nothing(upcoming, 0)).isTrue();
    }

    @Test
    void aFullListTakesNoMoreAndMayBeTakenWhole() {
        Upcoming upcoming = new Upcoming(1);
        assertThat(upcoming.add(0, 0, (long) PIECE * Upcoming.MOST - 1)).isFalse();
        assertThat(upcoming.add(0, 1_000_000_000, PIECE)).isFalse();
        upcoming.restart(0);
        assertThat(taken(upcoming, 0, Upcoming.MOST - 1)).doesNotHaveDuplicates();
        assertThat(taken(upcoming, 0, 1_024)).containsOnly((long) PIECE * (Upcoming.MOST - 1));
        assertThat(nothing(upcoming, 0)).isTrue();
    }

    @Test
    void aCallOfMoreSegmentsThanAListMayRunOnGetsNothing() {
        Upcoming upcoming = new Upcoming(1);
        upcoming.add(0, 0, 3L * PIECE);
        upcoming.restart(0);
        assertThat(upcoming.step(upcoming.take(0, 1_025))).isZero();
        assertThat(taken(upcoming, 0, 1_024)).hasSize(1_024).contains(0L, (long) PIECE, 2L * PIECE);
    }

    @Test
    void afterALayersAttentionTheNextOnesKeysAndValuesAreListed() {
        int[] lengths = {20, 33, 5, 40};
        try (VectorOps ops = new VectorOps(64L << 20, 1);
                Workers workers = new Workers(THREADS)) {
            Upcoming upcoming = new Upcoming(THREADS);
            Kernels kernels = Kernels.of(MachineCode.BITS, CpuKernels.AUTO);
            Attention attention = new Attention(workers, kernels.attention(), kernels.rows(), upcoming);
            KvLayout layout = ops.kvLayout(LAYERS, SHAPE.kvHeads(), SHAPE.headDim(), BLOCK);
            Tensor cache = ops.allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(16, layout.blockBytes()));
            int[][] tables = {{3, 9}, {0, 1, 15}, {7}, {8, 2, 4}};
            int[] sequences = {0, 1, 2, -1, 3};
            AttentionRows rows = rows(ops, sequences, lengths, tables);
            Tensor qkv = CpuFixtures.floats(ops, CpuFixtures.normal(new Random(3), 5 * 512), 5, 512);
            Tensor out = CpuFixtures.zeros(ops, 5, 256);
            // five rows by two heads: the first thread has rows 0, 1 and a head of 2
            List<Integer> first = List.of(0, 0, 0, 1, 1, 0, 1, 1, 2, 0);
            List<Integer> second = List.of(2, 1, 3, 0, 3, 1);
            for (int layer = 0; layer < LAYERS; layer++) {
                attention.ropeAndAttention(out, qkv, null, null, 0, rows, SHAPE, cache, layout, layer);
                if (layer + 1 < LAYERS) {
                    check(upcoming, 0, wanted(first, tables, cache, layout, layer + 1));
                    check(upcoming, 1, wanted(second, tables, cache, layout, layer + 1));
                } else {
                    assertThat(nothing(upcoming, 0) && nothing(upcoming, 1)).isTrue();
                }
            }
            for (int layer = 0; layer < LAYERS; layer++) {
                attention.ropeAndAttention(out, qkv, null, null, 0, rows, SHAPE, cache, layout, layer);
            }
            assertThat(nothing(upcoming, 0)).as("after the last layer").isTrue();
            attention.ropeAndAttention(out, qkv, null, null, 0, rows, SHAPE, cache, layout, 0);
            AttentionRows prompt = rows(ops, new int[] {0, 0, 1, 2, 3}, new int[] {20, 33, 5, 40}, tables);
            attention.ropeAndAttention(out, qkv, null, null, 0, prompt, SHAPE, cache, layout, 1);
            assertThat(nothing(upcoming, 0)).as("two rows of a sequence").isTrue();
        }
    }

    private static AttentionRows rows(VectorOps ops, int[] sequences, int[] lengths, int[][] tables) {
        int count = sequences.length;
        int[] positions = Arrays.stream(sequences)
                .map(sequence -> sequence < 0 ? 0 : lengths[sequence] - 1)
                .toArray();
        int[] slots = Arrays.stream(sequences)
                .map(sequence -> sequence < 0 ? -1 : slot(tables[sequence], lengths[sequence] - 1))
                .toArray();
        int[] table = Arrays.stream(tables)
                .flatMapToInt(blocks -> Arrays.stream(Arrays.copyOf(blocks, 3)))
                .toArray();
        return new AttentionRows(
                CpuFixtures.ints(ops, positions, count),
                CpuFixtures.ints(ops, sequences, count),
                CpuFixtures.ints(ops, slots, count),
                CpuFixtures.ints(ops, table, tables.length, 3),
                CpuFixtures.zeros(ops, count, SHAPE.headDim()));
    }

    private static int slot(int[] blocks, int position) {
        return blocks[position / BLOCK] * BLOCK + position % BLOCK;
    }

    /** @param pairs sequence and key-value head, one after the other */
    private static List<Long> wanted(List<Integer> pairs, int[][] tables, Tensor cache, KvLayout layout, int layer) {
        List<Long> addresses = new ArrayList<>();
        for (int i = 0; i < pairs.size(); i += 2) {
            for (int block : tables[pairs.get(i)]) {
                long keys = Raw.address(cache)
                        + block * layout.blockBytes()
                        + KvBlocks.keys(layout, layer, pairs.get(i + 1));
                long end = KvBlocks.values(layout, layer, pairs.get(i + 1))
                        - KvBlocks.keys(layout, layer, pairs.get(i + 1))
                        + 4L * BLOCK * SHAPE.headDim();
                for (long at = 0; at < end; at += PIECE) {
                    addresses.add(keys + at);
                }
            }
        }
        return addresses;
    }

    private static void check(Upcoming upcoming, int thread, List<Long> wanted) {
        assertThat(taken(upcoming, thread, wanted.size())).isEqualTo(wanted);
        assertThat(nothing(upcoming, thread)).isTrue();
    }
}
