package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.KvLayout;
import java.util.Arrays;

/**
 * A thread's queries over the cached keys and values of one sequence and key-value head: a running softmax over steps of blocks,
 * counted from the sequence's start. A step's keys, then its values, serve all queries while they are near.
 */
final class CachedQueries {
    private static final int TILES = 4;
    /** Most queries at a time. */
    static final int MOST = TILES * QueryTile.QUERIES;

    private final AttentionLanes lanes;
    private final QueryTile[] tiles = new QueryTile[TILES];
    private int used;
    private int lowest;
    private int highest;

    private AttentionShape shape;
    private int tokens;
    private int headDim;
    private int keyStride;
    private int valueStride;
    /** Blocks of a step, and their positions. */
    private int blocks;

    private int span;
    private long[] values = new long[0];
    private Longs keys = Longs.of(0);
    private Longs runs = keys;

    CachedQueries(AttentionLanes lanes) {
        this.lanes = lanes;
        Arrays.setAll(tiles, tile -> new QueryTile());
    }

    /** No query yet. */
    void begin(AttentionShape shape, KvLayout layout) {
        this.shape = shape;
        tokens = layout.blockTokens();
        headDim = layout.headDim();
        keyStride = KvBlocks.keyStride(layout);
        valueStride = KvBlocks.valueStride(layout);
        blocks = Math.max(1, QueryTile.SCORES / keyStride);
        span = blocks * tokens;
        int columns = blocks * keyStride / AttentionLanes.COLUMN;
        if (values.length < blocks || keys.values().length < columns + 1) {
            values = new long[blocks];
            keys = Longs.of(columns + 1);
            runs = Longs.of(AttentionLanes.RUN * blocks);
        }
        used = 0;
        lowest = Integer.MAX_VALUE;
        highest = 0;
    }

    /**
     * In order of position.
     *
     * @param q address of the query
     * @param out address of its output
     */
    void add(long q, int position, long out) {
        if (used == 0 || tiles[used - 1].full()) {
            tiles[used++].begin(valueStride, blocks * keyStride);
        }
        QueryTile tile = tiles[used - 1];
        int query = tile.add(position, out);
        lanes.scaled(q, shape.scale(), headDim, tile.q.values(), query * tile.head);
        lowest = Math.min(lowest, start(position));
        highest = Math.max(highest, position);
    }

    /** First position that a query looks back on. */
    private int start(int position) {
        return shape.window() == 0 ? 0 : Math.max(0, position - shape.window() + 1);
    }

    /**
     * @param table address of the sequence's block ids
     * @param cacheKeys address where the keys of block 0 begin
     */
    void attend(long table, long cacheKeys, long blockBytes) {
        for (int first = lowest / span * span; first <= highest; first += span) {
            int column = 0;
            for (int block = 0; block < blocks && first + block * tokens <= highest; block++) {
                long key = cacheKeys + Raw.i32(table + 4L * (first / tokens + block)) * blockBytes;
                values[block] = key + 4L * headDim * keyStride;
                for (int each = 0; each < keyStride; each += AttentionLanes.COLUMN) {
                    keys.values()[column++] = key + 4L * each;
                }
            }
            for (int tile = 0; tile < used; tile++) {
                if (sees(tiles[tile], first)) {
                    score(tiles[tile], first);
                }
            }
            for (int tile = 0; tile < used; tile++) {
                if (sees(tiles[tile], first)) {
                    average(tiles[tile], first);
                }
            }
        }
        for (int tile = 0; tile < used; tile++) {
            QueryTile each = tiles[tile];
            for (int i = 0; i < each.queries; i++) {
                lanes.scaled(each.o.values(), i * each.head, each.inverseSum(i), headDim, each.out[i]);
            }
        }
    }

    /** Whether any of a tile's queries looks at a position of the step. */
    private boolean sees(QueryTile tile, int first) {
        return tile.highest() >= first && start(tile.lowest()) < first + span;
    }

    /** Weights of the step's positions. */
    private void score(QueryTile tile, int first) {
        int last = Math.min(tile.highest() - first, span - 1);
        int columns = (last / tokens * keyStride + last % tokens) / AttentionLanes.COLUMN + 1;
        lanes.scores(tile, keys, columns, keyStride, headDim);
        boolean whole = tokens == keyStride
                && start(tile.highest()) <= first
                && tile.lowest() >= first + columns * AttentionLanes.COLUMN - 1;
        if (!whole) {
            for (int i = 0; i < tile.queries; i++) {
                int position = tile.position[i];
                mask(tile.s.values(), i * tile.scores, columns, start(position) - first, position - first + 1);
            }
        }
        lanes.weigh(tile, columns);
    }

    /** Scores outside the positions [from, to) of the step don't count. */
    private void mask(float[] s, int row, int columns, int from, int to) {
        int end = columns * AttentionLanes.COLUMN;
        for (int block = 0; block * keyStride < end; block++) {
            int at = row + block * keyStride;
            int low = Math.clamp(from - block * tokens, 0, tokens);
            int high = Math.clamp(to - block * tokens, low, tokens);
            Arrays.fill(s, at, at + low, Float.NEGATIVE_INFINITY);
            Arrays.fill(s, at + high, row + Math.min(end, (block + 1) * keyStride), Float.NEGATIVE_INFINITY);
        }
    }

    /**
     * Weighted values of the step's positions: those that all queries of the tile look at together, others query by query, so that
     * no query touches what is not its own.
     */
    private void average(QueryTile tile, int first) {
        int from = Math.clamp(start(tile.highest()) - first, 0, span);
        int to = Math.max(from, Math.min(span, tile.lowest() - first + 1));
        if (from == to || start(tile.lowest()) - first < from) {
            for (int i = 0; i < tile.queries; i++) {
                tile.rescale(i);
                int own = Math.max(0, start(tile.position[i]) - first);
                average(tile, i, own, Math.min(from, tile.position[i] - first + 1));
            }
        }
        if (from < to) {
            lanes.values(tile, runs, run(from, to), valueStride);
        }
        for (int i = 0; i < tile.queries; i++) {
            int own = Math.max(to, start(tile.position[i]) - first);
            average(tile, i, own, Math.min(span, tile.position[i] - first + 1));
        }
    }

    private void average(QueryTile tile, int query, int from, int to) {
        if (from < to) {
            lanes.values(tile, query, runs, run(from, to), valueStride);
        }
    }

    /** The values of positions [from, to) of the step as runs; returns their number. */
    private int run(int from, int to) {
        int count = 0;
        for (int block = from / tokens; block * tokens < to; block++) {
            int low = Math.max(0, from - block * tokens);
            int high = Math.min(tokens, to - block * tokens);
            int at = AttentionLanes.RUN * count++;
            runs.values()[at] = values[block] + 4L * low * valueStride;
            runs.values()[at + 1] = block * keyStride + low;
            runs.values()[at + 2] = high - low;
        }
        return count;
    }
}
