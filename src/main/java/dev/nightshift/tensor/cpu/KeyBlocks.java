package dev.nightshift.tensor.cpu;

import java.util.Arrays;

/** One thread's share of {@link PackedAttention}'s backward by blocks of keys. */
final class KeyBlocks {
    private static final int QUERIES = ChainLanes.COLUMNS;
    private static final int COLUMNS = ChainLanes.COLUMNS;
    private static final int GROUP = ChainLanes.GROUP;
    private static final int KEYS = AttentionKeys.KEYS;
    private static final int APART = 64;

    private final ChainLanes chains;

    /** [part of the dimension][KEYS][COLUMNS]. */
    private Floats dk = Floats.of(0);

    private Floats dv = Floats.of(0);

    KeyBlocks(ChainLanes chains) {
        this.chains = chains;
    }

    /** {@code dk += ds^T q}, {@code dv += p^T dOut} of an item's keys, over the part's queries in rising order and the group's heads. */
    void backward(
            PackedCall call, AttentionKeys keys, AttentionSlopes slopes, long gradient, int item, int queryBlocks) {
        int dim = call.dim();
        int parts = AttentionSlopes.parts(dim);
        int kvHead = keys.kvHead(item);
        int begin = keys.key(item);
        dk = AttentionKeys.room(dk, parts * KEYS * COLUMNS + APART);
        dv = AttentionKeys.room(dv, parts * KEYS * COLUMNS + APART);
        Arrays.fill(dk.values(), 0);
        Arrays.fill(dv.values(), 0);
        for (int block = 0; block < queryBlocks; block++) {
            int last = Math.min(call.to(), call.from() + (block + 1) * QUERIES);
            int first = Math.max(begin, slopes.first(block));
            int groups = (Math.min(begin + KEYS, last) - first + GROUP - 1) / GROUP;
            for (int head = kvHead * call.group(); groups > 0 && head < (kvHead + 1) * call.group(); head++) {
                int row = slopes.row(block, head, first);
                int panel = slopes.panel(block, head);
                int to = (first - begin) * COLUMNS;
                for (int part = 0; part < parts; part++) {
                    chains.apart(slopes.slopes(), row, groups, slopes.queries(), panel, dk, to);
                    chains.apart(slopes.probabilities(), row, groups, slopes.gradients(), panel, dv, to);
                    panel += QUERIES * COLUMNS;
                    to += KEYS * COLUMNS;
                }
            }
        }
        long toKeys = 4L * (call.shape().heads() + kvHead) * dim;
        long toValues = toKeys + 4L * call.shape().kvHeads() * dim;
        for (int key = begin; key < Math.min(call.to(), begin + KEYS); key++) {
            long row = gradient + key * call.stride();
            add(row + toKeys, dk.values(), (key - begin) * COLUMNS, dim);
            add(row + toValues, dv.values(), (key - begin) * COLUMNS, dim);
        }
    }

    private static void add(long to, float[] sums, int at, int dim) {
        for (int part = 0; part < dim; part += COLUMNS) {
            for (int d = part; d < Math.min(dim, part + COLUMNS); d++) {
                Raw.f32(to + 4L * d, Raw.f32(to + 4L * d) + sums[at + d - part]);
            }
            at += KEYS * COLUMNS;
        }
    }
}
