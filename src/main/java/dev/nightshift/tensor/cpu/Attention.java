package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.Tensor;
import java.util.Arrays;

/**
 * Rotary embedding with the cache's write, and attention over the paged cache: a running softmax over a sequence's blocks in
 * order, whole for every query, so neither the cut of a prompt into chunks nor the batch changes a bit. Queries that read the
 * same keys (rows of one sequence, query heads of one key-value head) go through a block together.
 */
final class Attention {
    private final Workers workers;
    private final AttentionLanes lanes;
    private final RowLanes rowLanes;
    private final Scratch[] scratch;
    private final Workers.Job rope = this::rope;
    private final Workers.Job attend = this::attend;

    private AttentionShape shape;
    private KvLayout layout;
    private int layer;
    private long cache;
    private long qkv;
    private long out;
    private long positions;
    private long sequences;
    private long slots;
    private long tables;
    private int tableStride;
    private long cosSin;
    private long qNorm;
    private long kNorm;
    private float epsilon;
    /** First row of every piece of work, and the end. */
    private int[] pieces = new int[64];

    private int headsAtOnce;

    Attention(Workers workers, int bits, RowLanes rowLanes) {
        this.workers = workers;
        this.rowLanes = rowLanes;
        lanes = Lanes.at(bits, AttentionLanes.class, AttentionVectors.class);
        scratch = new Scratch[workers.threads()];
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] = new Scratch();
        }
    }

    /** What a thread works with; grows to the model's sizes at the first call. */
    private static final class Scratch {
        float[] q = new float[0];
        float[] o = q;
        float[] s = q;
        float[] sums = q;
        final float[] max = new float[AttentionLanes.CHUNK];
        final float[] factor = new float[AttentionLanes.CHUNK];
        final int[] position = new int[AttentionLanes.CHUNK];
        final long[] values = new long[AttentionLanes.BLOCKS];
        final int[] from = new int[AttentionLanes.BLOCKS];
        final int[] to = new int[AttentionLanes.BLOCKS];
        final float[] partials = new float[RowLanes.PARTIALS];

        void reserve(int headDim, int keyStride, int valueStride) {
            int scores = AttentionLanes.CHUNK * AttentionLanes.BLOCKS * keyStride;
            if (q.length < AttentionLanes.CHUNK * headDim || s.length < scores) {
                q = new float[AttentionLanes.CHUNK * headDim];
                o = new float[AttentionLanes.CHUNK * valueStride];
                s = new float[scores];
                sums = new float[scores];
            }
        }
    }

    private void bind(
            Tensor qkv, AttentionRows rows, AttentionShape shape, Tensor kvCache, KvLayout layout, int layer) {
        if (layer < 0 || layer >= layout.layers()) {
            throw new IllegalStateException("layer %d of %d".formatted(layer, layout.layers()));
        }
        this.shape = shape;
        this.layout = layout;
        this.layer = layer;
        this.qkv = Raw.address(qkv);
        cache = Raw.address(kvCache);
        positions = Raw.address(rows.positions());
        sequences = Raw.address(rows.sequences());
        slots = Raw.address(rows.slots());
        tables = Raw.address(rows.blockTables());
        tableStride = Math.toIntExact(rows.blockTables().shape().axis(1));
        cosSin = Raw.address(rows.cosSin());
        int keyStride = KvBlocks.keyStride(layout);
        int valueStride = KvBlocks.valueStride(layout);
        for (Scratch each : scratch) {
            each.reserve(layout.headDim(), keyStride, valueStride);
        }
    }

    void ropeAndStore(
            Tensor qkv,
            Tensor qNorm,
            Tensor kNorm,
            float epsilon,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        bind(qkv, rows, shape, kvCache, layout, layer);
        this.qNorm = qNorm == null ? 0 : Raw.address(qNorm);
        this.kNorm = kNorm == null ? 0 : Raw.address(kNorm);
        this.epsilon = epsilon;
        workers.run(rope, Math.toIntExact(qkv.shape().axis(0)));
    }

    private long row(int row) {
        return qkv + 4L * row * (shape.heads() + 2 * shape.kvHeads()) * shape.headDim();
    }

    private void rope(int row, int thread) {
        int headDim = shape.headDim();
        long x = row(row);
        int heads = shape.heads();
        if (Raw.i32(sequences + 4L * row) < 0) {
            return;
        }
        long cos = cosSin + 4L * row * headDim;
        long sin = cos + 2L * headDim;
        for (int head = 0; head < heads + shape.kvHeads(); head++) {
            long at = x + 4L * head * headDim;
            long norm = head < heads ? qNorm : kNorm;
            if (norm != 0) {
                Rows.norm(rowLanes, at, at, norm, headDim, epsilon, scratch[thread].partials);
            }
            lanes.rotate(at, cos, sin, headDim / 2);
        }
        int slot = Raw.i32(slots + 4L * row);
        if (slot >= 0) {
            store(x + 4L * heads * headDim, slot);
        }
    }

    private void store(long k, int slot) {
        int headDim = shape.headDim();
        int keyStride = KvBlocks.keyStride(layout);
        int valueStride = KvBlocks.valueStride(layout);
        long block = cache + slot / layout.blockTokens() * layout.blockBytes();
        int offset = slot % layout.blockTokens();
        long v = k + 4L * shape.kvHeads() * headDim;
        for (int head = 0; head < shape.kvHeads(); head++) {
            long keys = block + KvBlocks.keys(layout, layer, head) + 4L * offset;
            for (int d = 0; d < headDim; d++) {
                Raw.f32(keys + 4L * d * keyStride, Raw.f32(k + 4L * d));
            }
            long values = block + KvBlocks.values(layout, layer, head) + 4L * offset * valueStride;
            Raw.copy(v, values, 4L * headDim);
            k += 4L * headDim;
            v += 4L * headDim;
        }
    }

    void attention(
            Tensor out,
            Tensor qkv,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        bind(qkv, rows, shape, kvCache, layout, layer);
        this.out = Raw.address(out);
        int count = Math.toIntExact(qkv.shape().axis(0));
        int group = shape.heads() / shape.kvHeads();
        int cut = cut(count, rowsAtOnce(group));
        headsAtOnce = cut * shape.kvHeads() < workers.threads() ? 1 : group;
        workers.run(attend, cut * shape.heads() / headsAtOnce);
    }

    /** As many rows as fill whole chunks of queries. */
    private static int rowsAtOnce(int group) {
        int rows = 1;
        while (rows * group % AttentionLanes.CHUNK != 0) {
            rows++;
        }
        return rows;
    }

    /** Cuts the rows into pieces of one sequence each; padding rows come alone. Returns their number. */
    private int cut(int rows, int most) {
        if (pieces.length < rows + 1) {
            pieces = new int[2 * rows];
        }
        int count = 0;
        for (int row = 0; row < rows; row++) {
            int sequence = Raw.i32(sequences + 4L * row);
            boolean continues = count > 0
                    && sequence >= 0
                    && row - pieces[count - 1] < most
                    && sequence == Raw.i32(sequences + 4L * (row - 1));
            if (!continues) {
                pieces[count++] = row;
            }
        }
        pieces[count] = rows;
        return count;
    }

    private void attend(int item, int thread) {
        int sharesOfRow = shape.heads() / headsAtOnce;
        int piece = item / sharesOfRow;
        int firstHead = item % sharesOfRow * headsAtOnce;
        int first = pieces[piece];
        int queries = (pieces[piece + 1] - first) * headsAtOnce;
        if (Raw.i32(sequences + 4L * first) < 0) {
            Raw.fill(outRow(first, firstHead), 4L * headsAtOnce * shape.headDim());
            return;
        }
        for (int query = 0; query < queries; query += AttentionLanes.CHUNK) {
            chunk(first, firstHead, query, Math.min(AttentionLanes.CHUNK, queries - query), scratch[thread]);
        }
    }

    private long outRow(int row, int head) {
        return out + 4L * ((long) row * shape.heads() + head) * shape.headDim();
    }

    /** Queries [from, from + count) of a piece; query n is head {@code n % headsAtOnce} of row {@code n / headsAtOnce}. */
    private void chunk(int firstRow, int firstHead, int from, int count, Scratch mine) {
        int headDim = shape.headDim();
        int tokens = layout.blockTokens();
        int stride = AttentionLanes.BLOCKS * KvBlocks.keyStride(layout);
        int valueStride = KvBlocks.valueStride(layout);
        int highest = 0;
        int lowest = Integer.MAX_VALUE;
        for (int i = 0; i < count; i++) {
            int row = firstRow + (from + i) / headsAtOnce;
            long q = row(row) + 4L * (firstHead + (from + i) % headsAtOnce) * headDim;
            for (int d = 0; d < headDim; d++) {
                mine.q[i * headDim + d] = Raw.f32(q + 4L * d) * shape.scale();
            }
            int position = Raw.i32(positions + 4L * row);
            mine.position[i] = position;
            mine.max[i] = Float.NEGATIVE_INFINITY;
            highest = Math.max(highest, position);
            lowest = Math.min(lowest, start(position));
        }
        Arrays.fill(mine.o, 0, count * valueStride, 0);
        Arrays.fill(mine.sums, 0, count * stride, 0);
        int kvHead = firstHead / (shape.heads() / shape.kvHeads());
        long keys = KvBlocks.keys(layout, layer, kvHead);
        long values = KvBlocks.values(layout, layer, kvHead);
        long table = tables + 4L * tableStride * Raw.i32(sequences + 4L * firstRow);
        int span = AttentionLanes.BLOCKS * tokens;
        for (int position = lowest / span * span; position <= highest; position += span) {
            int blocks = Math.min(AttentionLanes.BLOCKS, (highest - position) / tokens + 1);
            step(mine, count, position, blocks, table, keys, values);
        }
        for (int i = 0; i < count; i++) {
            int query = from + i;
            write(mine, i, outRow(firstRow + query / headsAtOnce, firstHead + query % headsAtOnce));
        }
    }

    /** First position that a query looks back on. */
    private int start(int position) {
        return shape.window() == 0 ? 0 : Math.max(0, position - shape.window() + 1);
    }

    /** One step of the running softmax: {@code blocks} blocks from position {@code first}. */
    private void step(Scratch mine, int count, int first, int blocks, long table, long keys, long values) {
        int tokens = layout.blockTokens();
        int keyStride = KvBlocks.keyStride(layout);
        int valueStride = KvBlocks.valueStride(layout);
        int stride = AttentionLanes.BLOCKS * keyStride;
        for (int block = 0; block < blocks; block++) {
            long address = cache + Raw.i32(table + 4L * (first / tokens + block)) * layout.blockBytes();
            mine.values[block] = address + values;
            int to = block * keyStride;
            lanes.scores(mine.q, count, shape.headDim(), address + keys, keyStride, mine.s, to, stride);
        }
        boolean whole = true;
        for (int i = 0; i < count; i++) {
            whole &= start(mine.position[i]) <= first && mine.position[i] >= first + blocks * tokens - 1;
        }
        for (int i = 0; i < count; i++) {
            int from = start(mine.position[i]) - first;
            int to = mine.position[i] - first + 1;
            if (to <= 0 || from >= blocks * tokens) {
                continue;
            }
            for (int block = 0; block < AttentionLanes.BLOCKS; block++) {
                mine.from[block] = Math.clamp(from - block * tokens, 0, tokens);
                mine.to[block] = block < blocks ? Math.clamp(to - block * tokens, mine.from[block], tokens) : 0;
                mask(
                        mine.s,
                        (i * AttentionLanes.BLOCKS + block) * keyStride,
                        mine.from[block],
                        mine.to[block],
                        keyStride);
            }
            mine.factor[i] = lanes.weigh(mine.s, i, stride, mine.max, mine.sums);
            if (!whole) {
                lanes.values(
                        mine.s,
                        keyStride,
                        i,
                        1,
                        blocks,
                        mine.from,
                        mine.to,
                        mine.values,
                        valueStride,
                        mine.factor,
                        mine.o);
            }
        }
        if (whole) {
            lanes.values(
                    mine.s,
                    keyStride,
                    0,
                    count,
                    blocks,
                    mine.from,
                    mine.to,
                    mine.values,
                    valueStride,
                    mine.factor,
                    mine.o);
        }
    }

    /** Scores outside [from, to) don't count. */
    private static void mask(float[] s, int first, int from, int to, int keyStride) {
        for (int t = 0; t < from; t++) {
            s[first + t] = Float.NEGATIVE_INFINITY;
        }
        for (int t = Math.max(from, to); t < keyStride; t++) {
            s[first + t] = Float.NEGATIVE_INFINITY;
        }
    }

    private void write(Scratch mine, int i, long to) {
        int stride = AttentionLanes.BLOCKS * KvBlocks.keyStride(layout);
        float sum = 0;
        for (int t = 0; t < stride; t++) {
            sum += mine.sums[i * stride + t];
        }
        float inverse = 1 / sum;
        int at = i * KvBlocks.valueStride(layout);
        for (int d = 0; d < shape.headDim(); d++) {
            Raw.f32(to + 4L * d, mine.o[at + d] * inverse);
        }
    }
}
