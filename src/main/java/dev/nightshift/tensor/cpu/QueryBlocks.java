package dev.nightshift.tensor.cpu;

import java.util.Arrays;

/** One thread's share of {@link PackedAttention} by blocks of queries: outputs, or gradients of queries. */
final class QueryBlocks {
    private static final int QUERIES = ChainLanes.COLUMNS;
    private static final int GROUP = ChainLanes.GROUP;
    /** Keys of a panel, 16 KiB: half of a small first-level cache. */
    private static final int DEPTH = 128;
    /** Floats that keep what two threads write in different cache lines. */
    private static final int APART = 64;

    private final ChainLanes chains;
    private final float[] maxima = new float[QUERIES + APART];
    private final float[] sums = new float[QUERIES + APART];
    private final float[] deltas = new float[QUERIES + APART];
    /** Queries and output gradients, turned: [dim][QUERIES]. */
    private Floats turned = Floats.of(0);

    private Floats turnedGradient = Floats.of(0);
    private Floats scores = Floats.of(0);
    /** [dim][QUERIES]. */
    private Floats totals = Floats.of(0);

    private int from;
    private int to;
    /** The first of the keys that the block sees, and their number, both by groups. */
    private int first;

    private int count;

    QueryBlocks(ChainLanes chains) {
        this.chains = chains;
    }

    private void begin(PackedCall call, AttentionKeys keys, int block) {
        from = call.from() + block * QUERIES;
        to = Math.min(call.to(), from + QUERIES);
        first = keys.floor(call.firstKey(from, to));
        count = (to - first + GROUP - 1) / GROUP * GROUP;
        int dims = (call.dim() + GROUP - 1) / GROUP * GROUP;
        turned = AttentionKeys.room(turned, dims * QUERIES + APART);
        turnedGradient = AttentionKeys.room(turnedGradient, dims * QUERIES + APART);
        totals = AttentionKeys.room(totals, dims * QUERIES + APART);
    }

    void forward(PackedCall call, AttentionKeys keys, int block, int head) {
        begin(call, keys, block);
        int kvHead = head / call.group();
        scores = AttentionKeys.room(scores, count * QUERIES + APART);
        turn(call.q(from, head), call.stride(), call.dim(), call.shape().scale(), turned.values());
        product(keys.keysPacked(), keys.packed(kvHead, first), call.dim(), turned, scores, 0);
        mask(call, scores.values(), 0);
        AttentionTiles.maxima(scores.values(), 0, count, maxima);
        AttentionTiles.exponentials(scores.values(), 0, count, maxima, sums);
        for (int row = from; row < to; row++) {
            Raw.f32(call.lse(row, head), (float) (maxima[row - from] + Math.log(sums[row - from])));
        }
        overKeys(keys.valuesTurned(), keys.turned(kvHead, first), keys.turnedStride(), call.dim(), scores, 0);
        for (int row = from; row < to; row++) {
            float factor = 1 / sums[row - from];
            long out = call.heads(call.out(), row, head);
            for (int d = 0; d < call.dim(); d++) {
                Raw.f32(out + 4L * d, factor * totals.values()[d * QUERIES + row - from]);
            }
        }
    }

    /** {@code dq += sum over keys of ds * k}, ds = scale p (dOut . v - dOut . out); p and ds stay in {@code slopes}. */
    void backward(PackedCall call, AttentionKeys keys, AttentionSlopes slopes, long gradient, int block, int head) {
        begin(call, keys, block);
        int dim = call.dim();
        int kvHead = head / call.group();
        int at = slopes.row(block, head, first);
        long dOut = call.heads(call.dOut(), from, head);
        long dOutStride = 4L * call.shape().heads() * dim;
        turn(call.q(from, head), call.stride(), dim, call.shape().scale(), turned.values());
        turn(dOut, dOutStride, dim, 1, turnedGradient.values());
        Arrays.fill(deltas, 0);
        Arrays.fill(maxima, 0);
        for (int row = from; row < to; row++) {
            deltas[row - from] = dot(call.heads(call.dOut(), row, head), call.heads(call.out(), row, head), dim);
            maxima[row - from] = Raw.f32(call.lse(row, head));
        }
        product(keys.keysPacked(), keys.packed(kvHead, first), dim, turned, slopes.probabilities(), at);
        mask(call, slopes.probabilities().values(), at);
        AttentionTiles.exponentials(slopes.probabilities().values(), at, count, maxima, sums);
        product(keys.valuesPacked(), keys.packed(kvHead, first), dim, turnedGradient, slopes.slopes(), at);
        float scale = call.shape().scale();
        AttentionTiles.slopes(
                slopes.slopes().values(), at, slopes.probabilities().values(), at, count, deltas, scale);
        overKeys(keys.keysTurned(), keys.turned(kvHead, first), keys.turnedStride(), dim, slopes.slopes(), at);
        for (int row = from; row < to; row++) {
            long target = gradient + row * call.stride() + 4L * head * dim;
            for (int d = 0; d < dim; d++) {
                Raw.f32(target + 4L * d, Raw.f32(target + 4L * d) + totals.values()[d * QUERIES + row - from]);
            }
        }
        panel(call.q(from, head), call.stride(), dim, slopes.queries().values(), slopes.panel(block, head));
        panel(dOut, dOutStride, dim, slopes.gradients().values(), slopes.panel(block, head));
    }

    /** Without vectors: inside a method of this size they would go to the heap. */
    private static float dot(long a, long b, int n) {
        float sum0 = 0;
        float sum1 = 0;
        float sum2 = 0;
        float sum3 = 0;
        int i = 0;
        for (; i + 4 <= n; i += 4) {
            sum0 = Math.fma(Raw.f32(a + 4L * i), Raw.f32(b + 4L * i), sum0);
            sum1 = Math.fma(Raw.f32(a + 4L * i + 4), Raw.f32(b + 4L * i + 4), sum1);
            sum2 = Math.fma(Raw.f32(a + 4L * i + 8), Raw.f32(b + 4L * i + 8), sum2);
            sum3 = Math.fma(Raw.f32(a + 4L * i + 12), Raw.f32(b + 4L * i + 12), sum3);
        }
        for (; i < n; i++) {
            sum0 = Math.fma(Raw.f32(a + 4L * i), Raw.f32(b + 4L * i), sum0);
        }
        return sum0 + sum1 + (sum2 + sum3);
    }

    /** [key][QUERIES]: packed keys or values times turned queries or gradients. */
    private void product(Floats packed, int from, int dim, Floats turned, Floats to, int at) {
        Arrays.fill(to.values(), at, at + count * QUERIES, 0);
        chains.packed(packed, from, GROUP * dim, count / GROUP, turned, 0, dim, to, at);
    }

    /** {@code totals [dim][QUERIES]}: turned keys or values times [key][QUERIES], one chain over all keys. */
    private void overKeys(Floats turned, int from, int stride, int dim, Floats weights, int at) {
        Arrays.fill(totals.values(), 0);
        int groups = (dim + GROUP - 1) / GROUP;
        for (int key = 0; key < count; key += DEPTH) {
            int depth = Math.min(DEPTH, count - key);
            chains.packed(turned, from + GROUP * key, stride, groups, weights, at + key * QUERIES, depth, totals, 0);
        }
    }

    /** [rows][dim] -> [dim][QUERIES], scaled; zeros where the block has no row. */
    private void turn(long source, long stride, int dim, float scale, float[] target) {
        if (to - from < QUERIES) {
            Arrays.fill(target, 0);
        }
        for (int row = 0; row < to - from; row++) {
            for (int d = 0; d < dim; d++) {
                target[d * QUERIES + row] = scale * Raw.f32(source + row * stride + 4L * d);
            }
        }
    }

    /** [rows][dim] -> [part of the dimension][QUERIES][COLUMNS], zeros around. */
    private void panel(long source, long stride, int dim, float[] target, int at) {
        int columns = ChainLanes.COLUMNS;
        for (int part = 0; part < dim; part += columns) {
            int width = Math.min(columns, dim - part);
            for (int row = 0; row < QUERIES; row++) {
                int valid = row < to - from ? width : 0;
                long x = source + row * stride + 4L * part;
                for (int d = 0; d < valid; d++) {
                    target[at + d] = Raw.f32(x + 4L * d);
                }
                Arrays.fill(target, at + valid, at + columns, 0);
                at += columns;
            }
        }
    }

    /** Scores of keys that a row does not see to minus infinity; lanes without a row stay as they are, finite. */
    private void mask(PackedCall call, float[] scores, int at) {
        for (int row = from; row < to; row++) {
            int lane = at + row - from;
            int begin = call.firstKey(row);
            for (int key = first; key < begin; key++) {
                scores[lane + (key - first) * QUERIES] = Float.NEGATIVE_INFINITY;
            }
            for (int key = row + 1; key < first + count; key++) {
                scores[lane + (key - first) * QUERIES] = Float.NEGATIVE_INFINITY;
            }
        }
    }
}
