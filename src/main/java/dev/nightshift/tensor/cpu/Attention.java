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
    private static final int NONE = -1;
    /** Pieces of work that each thread should find at least. */
    private static final int PIECES = 8;

    private final Workers workers;
    private final AttentionLanes lanes;
    private final RowLanes rowLanes;
    private final CachedQueries[] queries;
    private final float[][] partials;
    private final Workers.Job rope = this::rope;
    private final Workers.Job attend = this::attend;
    private final Workers.Job ropeAndAttend = this::ropeAndAttend;

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

    private final Upcoming upcoming;
    /** Layer for which {@link #upcoming} is filled, and the one that it holds now. */
    private int firstUpcoming;

    private int nextUpcoming = NONE;

    Attention(Workers workers, AttentionLanes lanes, RowLanes rowLanes, Upcoming upcoming) {
        this.workers = workers;
        this.lanes = lanes;
        this.rowLanes = rowLanes;
        this.upcoming = upcoming;
        queries = new CachedQueries[workers.threads()];
        Arrays.setAll(queries, thread -> new CachedQueries(lanes));
        partials = new float[workers.threads()][RowLanes.PARTIALS];
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
        bind(qNorm, kNorm, epsilon);
        workers.run(rope, Math.toIntExact(qkv.shape().axis(0)));
    }

    private void bind(Tensor qNorm, Tensor kNorm, float epsilon) {
        this.qNorm = qNorm == null ? 0 : Raw.address(qNorm);
        this.kNorm = kNorm == null ? 0 : Raw.address(kNorm);
        this.epsilon = epsilon;
    }

    private long row(int row) {
        return qkv + 4L * row * (shape.heads() + 2 * shape.kvHeads()) * shape.headDim();
    }

    private void rope(int row, int thread) {
        if (Raw.i32(sequences + 4L * row) < 0) {
            return;
        }
        for (int kvHead = 0; kvHead < shape.kvHeads(); kvHead++) {
            rope(row, kvHead, thread);
        }
    }

    /** Query heads of a key-value head, its keys, and what is kept of it. */
    private void rope(int row, int kvHead, int thread) {
        int group = shape.heads() / shape.kvHeads();
        for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
            rope(row, head, qNorm, thread);
        }
        rope(row, shape.heads() + kvHead, kNorm, thread);
        int slot = Raw.i32(slots + 4L * row);
        if (slot >= 0) {
            store(row, kvHead, slot);
        }
    }

    private void rope(int row, int head, long norm, int thread) {
        int headDim = shape.headDim();
        long at = row(row) + 4L * head * headDim;
        if (norm != 0) {
            Rows.norm(rowLanes, at, at, norm, headDim, epsilon, partials[thread]);
        }
        long cos = cosSin + 4L * row * headDim;
        lanes.rotate(at, cos, cos + 2L * headDim, headDim / 2);
    }

    private void store(int row, int kvHead, int slot) {
        int headDim = shape.headDim();
        int keyStride = KvBlocks.keyStride(layout);
        int valueStride = KvBlocks.valueStride(layout);
        long block = cache + slot / layout.blockTokens() * layout.blockBytes();
        int offset = slot % layout.blockTokens();
        long k = row(row) + 4L * (shape.heads() + kvHead) * headDim;
        long keys = block + KvBlocks.keys(layout, layer, kvHead) + 4L * offset;
        for (int d = 0; d < headDim; d++) {
            Raw.f32(keys + 4L * d * keyStride, Raw.f32(k + 4L * d));
        }
        long values = block + KvBlocks.values(layout, layer, kvHead) + 4L * offset * valueStride;
        Raw.copy(k + 4L * shape.kvHeads() * headDim, values, 4L * headDim);
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
        attend(Math.toIntExact(qkv.shape().axis(0)));
    }

    /** A sequence's only row finds its keys in this thread's cache, if they are turned just before. */
    void ropeAndAttention(
            Tensor out,
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
        bind(qNorm, kNorm, epsilon);
        this.out = Raw.address(out);
        int count = Math.toIntExact(qkv.shape().axis(0));
        int items = count * shape.kvHeads();
        if (items >= workers.threads() && alone(count)) {
            headsAtOnce = shape.heads() / shape.kvHeads();
            cut(count, 1);
            workers.run(ropeAndAttend, items);
            announce(items);
        } else {
            upcoming.clear();
            nextUpcoming = NONE;
            workers.run(rope, count);
            attend(count);
        }
    }

    /** Whether every row is its sequence's only one. */
    private boolean alone(int rows) {
        for (int row = 1; row < rows; row++) {
            int sequence = Raw.i32(sequences + 4L * row);
            if (sequence >= 0 && sequence == Raw.i32(sequences + 4L * (row - 1))) {
                return false;
            }
        }
        return true;
    }

    /** That the next layer wants the same blocks, once its linears have been multiplied. */
    private void announce(int items) {
        if (layer + 1 == layout.layers()) {
            upcoming.clear();
            nextUpcoming = NONE;
            return;
        }
        if (nextUpcoming != layer) {
            firstUpcoming = layer + 1;
            upcoming.clear();
            for (int thread = 0; thread < workers.threads(); thread++) {
                boolean room = true;
                int end = workers.first(items, thread + 1);
                for (int item = workers.first(items, thread); room && item < end; item++) {
                    room = announce(item / shape.kvHeads(), item % shape.kvHeads(), thread);
                }
            }
        }
        nextUpcoming = layer + 1;
        upcoming.restart(KvBlocks.keys(layout, nextUpcoming - firstUpcoming, 0));
    }

    private boolean announce(int row, int kvHead, int thread) {
        int sequence = Raw.i32(sequences + 4L * row);
        if (sequence < 0) {
            return true;
        }
        int position = Raw.i32(positions + 4L * row);
        int oldest = shape.window() == 0 ? 0 : Math.max(0, position - shape.window() + 1);
        long heads = cache + KvBlocks.keys(layout, firstUpcoming, kvHead);
        long table = tables + 4L * tableStride * sequence;
        boolean room = true;
        for (int block = oldest / layout.blockTokens(); room && block <= position / layout.blockTokens(); block++) {
            long from = heads + Raw.i32(table + 4L * block) * layout.blockBytes();
            room = upcoming.add(thread, from, KvBlocks.headBytes(layout.headDim(), layout.blockTokens()));
        }
        return room;
    }

    private void ropeAndAttend(int item, int thread) {
        int row = item / shape.kvHeads();
        if (Raw.i32(sequences + 4L * row) >= 0) {
            rope(row, item % shape.kvHeads(), thread);
        }
        attend(item, thread);
    }

    private void attend(int count) {
        int group = shape.heads() / shape.kvHeads();
        int cut = cut(count, rowsAtOnce(count, group));
        headsAtOnce = cut * shape.kvHeads() < workers.threads() ? 1 : group;
        workers.run(attend, cut * shape.heads() / headsAtOnce);
    }

    /** As many rows as fill the queries that a thread takes at a time, or as fill a tile if there would be too few pieces. */
    private int rowsAtOnce(int rows, int group) {
        int most = Math.max(1, CachedQueries.MOST / group);
        boolean enough = (long) rows * shape.kvHeads() >= (long) most * PIECES * workers.threads();
        return enough ? most : Math.max(1, QueryTile.QUERIES / group);
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
        int count = (pieces[piece + 1] - first) * headsAtOnce;
        if (Raw.i32(sequences + 4L * first) < 0) {
            Raw.fill(outRow(first, firstHead), 4L * headsAtOnce * shape.headDim());
            return;
        }
        for (int query = 0; query < count; query += CachedQueries.MOST) {
            chunk(first, firstHead, query, Math.min(count, query + CachedQueries.MOST), queries[thread]);
        }
    }

    private long outRow(int row, int head) {
        return out + 4L * ((long) row * shape.heads() + head) * shape.headDim();
    }

    /** Queries [from, to) of a piece; query n is head {@code n % headsAtOnce} of row {@code n / headsAtOnce}. */
    private void chunk(int firstRow, int firstHead, int from, int to, CachedQueries mine) {
        mine.begin(shape, layout);
        for (int query = from; query < to; query++) {
            int row = firstRow + query / headsAtOnce;
            int head = firstHead + query % headsAtOnce;
            long q = row(row) + 4L * head * shape.headDim();
            mine.add(q, Raw.i32(positions + 4L * row), outRow(row, head));
        }
        int kvHead = firstHead / (shape.heads() / shape.kvHeads());
        long table = tables + 4L * tableStride * Raw.i32(sequences + 4L * firstRow);
        mine.attend(table, cache + KvBlocks.keys(layout, layer, kvHead), layout.blockBytes());
    }
}
