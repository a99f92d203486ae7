package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Causal attention inside the samples of a packed batch, and its backward, as dense products of blocks of rows with all keys
 * that a block sees; keys outside a row's own range weigh zero. Nothing of size [tokens, tokens] is stored: the backward
 * computes the probabilities again from the log of their sum (Dao et al., arXiv 2205.14135), once by rows for q and once by
 * keys for k and v, so that each sum has one owner whatever the number of threads.
 */
final class PackedAttention {
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = F.length();
    /** Query rows of a block: a multiple of the rows of a register tile, as are all blocks. */
    private static final int ROWS = 16;
    /** Keys of a block of the pass by keys, and query rows that it takes at a time. */
    private static final int KEYS = 32;

    private final Workers workers;
    private final Scratch scratch;

    PackedAttention(Workers workers, Scratch scratch) {
        this.workers = workers;
        this.scratch = scratch;
    }

    /**
     * Keys [lowest, lowest + width) turned: [kvHead][dim][width] at {@code keys}, values alike at {@code values}; beyond the
     * call's last row zeros. {@code deltas} [rows of the call][heads].
     */
    private record Turned(int lowest, int width, long keys, long values, long deltas) {
        long key(int kvHead, int dim, int at) {
            return keys + 4L * ((long) kvHead * dim * width + at - lowest);
        }

        long value(int kvHead, int dim, int at) {
            return values + 4L * ((long) kvHead * dim * width + at - lowest);
        }

        /** The place at or below a key where a block may begin. */
        int begin(int key) {
            return lowest + (key - lowest) / KEYS * KEYS;
        }
    }

    private Turned turned(PackedCall call, boolean withValues) {
        int lowest = call.firstKey(call.from(), call.to());
        int width = (call.to() - lowest + KEYS - 1) / KEYS * KEYS;
        int dim = call.dim();
        int kvHeads = call.shape().kvHeads();
        long bytes = 4L * kvHeads * dim * width;
        long at = scratch.shared(
                2 * bytes + 4L * (call.to() - call.from()) * call.shape().heads());
        Turned turned = new Turned(lowest, width, at, at + bytes, at + 2 * bytes);
        workers.run(
                (item, thread) -> {
                    int kvHead = item % kvHeads;
                    int begin = lowest + item / kvHeads * KEYS;
                    int end = Math.min(call.to(), begin + KEYS);
                    turn(turned.key(kvHead, dim, begin), width, call.k(begin, kvHead), call.stride(), end - begin, dim);
                    if (withValues) {
                        long to = turned.value(kvHead, dim, begin);
                        turn(to, width, call.v(begin, kvHead), call.stride(), end - begin, dim);
                    }
                },
                width / KEYS * kvHeads);
        return turned;
    }

    /** [count, dim] -> [dim, KEYS]. */
    private static void turn(long to, int width, long from, long stride, int count, int dim) {
        for (int d = 0; d < dim; d++) {
            long target = to + 4L * d * width;
            for (int key = 0; key < count; key++) {
                Raw.f32(target + 4L * key, Raw.f32(from + key * stride + 4L * d));
            }
            Raw.fill(target + 4L * count, 4L * (KEYS - count));
        }
    }

    // ---- forward

    void forward(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to) {
        PackedCall call = PackedCall.of(out, null, logSumExp, qkv, segmentStarts, shape, from, to);
        Turned turned = turned(call, false);
        int heads = shape.heads();
        workers.run(
                (item, thread) -> {
                    int begin = from + item / heads * ROWS;
                    block(call, turned, begin, Math.min(to, begin + ROWS), item % heads, thread);
                },
                (to - from + ROWS - 1) / ROWS * heads);
    }

    private void block(PackedCall call, Turned turned, int from, int to, int head, int thread) {
        int dim = call.dim();
        int kvHead = head / call.group();
        int first = turned.begin(call.firstKey(from, to));
        int keys = to - first;
        int width = (keys + KEYS - 1) / KEYS * KEYS;
        long q = scratch.of(thread, 4L * ROWS * (2 * dim + width));
        long o = q + 4L * ROWS * dim;
        long p = o + 4L * ROWS * dim;
        int rows = copy(q, call.q(from, head), call.stride(), to - from, dim);
        long turnedKeys = turned.key(kvHead, dim, first);
        float scale = call.shape().scale();
        Gemms.rowsTimes(p, 4L * width, q, 4L * dim, turnedKeys, 4L * turned.width(), rows, width, dim, scale, true);
        double[] sums = new double[ROWS];
        for (int row = from; row < to; row++) {
            long scores = p + 4L * (row - from) * width;
            mask(scores, call.firstKey(row) - first, row + 1 - first, width);
            float max = max(scores, width);
            Exponential.inPlace(scores, width, max);
            double sum = sum(scores, call.firstKey(row) - first, row + 1 - first);
            sums[row - from] = sum;
            Raw.f32(call.lse(row, head), (float) (max + Math.log(sum)));
        }
        Raw.fill(p + 4L * (to - from) * width, 4L * (rows - (to - from)) * width);
        Gemms.rowsTimes(o, 4L * dim, p, 4L * width, call.v(first, kvHead), call.stride(), rows, dim, keys, 1, true);
        for (int row = from; row < to; row++) {
            scale(call.heads(call.out(), row, head), o + 4L * (row - from) * dim, (float) (1 / sums[row - from]), dim);
        }
    }

    // ---- backward

    void backward(
            Tensor dqkv,
            Tensor dout,
            Tensor out,
            Tensor logSumExp,
            Tensor qkv,
            Tensor segmentStarts,
            AttentionShape shape,
            int from,
            int to) {
        PackedCall call = PackedCall.of(out, dout, logSumExp, qkv, segmentStarts, shape, from, to);
        Turned turned = turned(call, true);
        int heads = shape.heads();
        int kvHeads = shape.kvHeads();
        long gradient = Raw.address(dqkv);
        workers.run(
                (item, thread) -> {
                    int begin = from + item / heads * ROWS;
                    queryGradient(call, turned, gradient, begin, Math.min(to, begin + ROWS), item % heads, thread);
                },
                (to - from + ROWS - 1) / ROWS * heads);
        workers.run(
                (item, thread) -> {
                    int begin = turned.lowest() + item / kvHeads * KEYS;
                    keyGradient(call, turned, gradient, begin, item % kvHeads, thread);
                },
                turned.width() / KEYS * kvHeads);
    }

    /** {@code dq += sum over keys of ds * k}, ds = scale p (dOut . v - dOut . out), for rows [from, to) of one head. */
    private void queryGradient(PackedCall call, Turned turned, long gradient, int from, int to, int head, int thread) {
        int dim = call.dim();
        int first = turned.begin(call.firstKey(from, to));
        int width = (to - first + KEYS - 1) / KEYS * KEYS;
        long q = scratch.of(thread, 4L * ROWS * (2 * dim + 2 * width));
        long p = q + 8L * ROWS * dim;
        for (int row = from; row < to; row++) {
            long dOut = call.heads(call.dOut(), row, head);
            float delta = Gemms.dot(dOut, call.heads(call.out(), row, head), dim);
            Raw.f32(delta(call, turned, row, head), delta);
        }
        int rows = slopes(call, turned, from, to, head, first, width, q, p);
        long dq = q;
        long dp = p + 4L * ROWS * width;
        long k = call.k(first, head / call.group());
        Gemms.rowsTimes(dq, 4L * dim, dp, 4L * width, k, call.stride(), rows, dim, to - first, 1, true);
        for (int row = from; row < to; row++) {
            Gemms.axpy(gradient + row * call.stride() + 4L * head * dim, 1, dq + 4L * (row - from) * dim, dim);
        }
    }

    private static long delta(PackedCall call, Turned turned, int row, int head) {
        return turned.deltas() + 4L * ((long) (row - call.from()) * call.shape().heads() + head);
    }

    /**
     * Rows [from, to) of one head against keys [first, first + width): q and then dOut to {@code q}, probabilities to {@code
     * p}, ds behind them at {@code p + 4 * most * width}, where most is ROWS or KEYS, as the caller has laid them out.
     *
     * @return the rows, rounded up to a tile's; those to spare are zero in all four
     */
    private static int slopes(
            PackedCall call, Turned turned, int from, int to, int head, int first, int width, long q, long p) {
        int dim = call.dim();
        int kvHead = head / call.group();
        long most = (p - q) / (8L * dim);
        long dOut = q + 4L * most * dim;
        long dp = p + 4L * most * width;
        int rows = copy(q, call.q(from, head), call.stride(), to - from, dim);
        copy(dOut, call.heads(call.dOut(), from, head), 4L * call.shape().heads() * dim, to - from, dim);
        long strideT = 4L * turned.width();
        float scale = call.shape().scale();
        Gemms.rowsTimes(
                p, 4L * width, q, 4L * dim, turned.key(kvHead, dim, first), strideT, rows, width, dim, scale, true);
        Gemms.rowsTimes(
                dp, 4L * width, dOut, 4L * dim, turned.value(kvHead, dim, first), strideT, rows, width, dim, 1, true);
        for (int row = from; row < to; row++) {
            long at = 4L * (row - from) * width;
            mask(p + at, call.firstKey(row) - first, row + 1 - first, width);
            Exponential.inPlace(p + at, width, Raw.f32(call.lse(row, head)));
            slope(dp + at, p + at, Raw.f32(delta(call, turned, row, head)), scale, width);
        }
        long spare = 4L * (to - from) * width;
        Raw.fill(p + spare, 4L * rows * width - spare);
        Raw.fill(dp + spare, 4L * rows * width - spare);
        return rows;
    }

    /** {@code dp = scale * p * (dp - delta)}. */
    private static void slope(long dp, long p, float delta, float scale, int n) {
        for (int i = 0; i < n; i += LANES) {
            load(dp + 4L * i).sub(delta).mul(load(p + 4L * i).mul(scale)).intoMemorySegment(ALL, dp + 4L * i, LE);
        }
    }

    /** dk and dv of a block of keys of one kv head, over the call's query rows in rising order and the group's heads. */
    private void keyGradient(PackedCall call, Turned turned, long gradient, int begin, int kvHead, int thread) {
        int dim = call.dim();
        int end = Math.min(call.to(), begin + KEYS);
        long dk = scratch.of(thread, 4L * KEYS * (4 * dim + 2 * KEYS));
        long dv = dk + 4L * KEYS * dim;
        long q = dv + 4L * KEYS * dim;
        long dOut = q + 4L * KEYS * dim;
        long p = dOut + 4L * KEYS * dim;
        long dp = p + 4L * KEYS * KEYS;
        Raw.fill(dk, 8L * KEYS * dim);
        for (int row = Math.max(call.from(), begin); row < call.to(); row += KEYS) {
            int last = Math.min(call.to(), row + KEYS);
            if (call.firstKey(row, last) >= end) {
                continue;
            }
            for (int head = kvHead * call.group(); head < (kvHead + 1) * call.group(); head++) {
                int rows = slopes(call, turned, row, last, head, begin, KEYS, q, p);
                Gemms.columnsTimes(dk, 4L * dim, dp, 4L * KEYS, q, 4L * dim, KEYS, dim, rows, 1);
                Gemms.columnsTimes(dv, 4L * dim, p, 4L * KEYS, dOut, 4L * dim, KEYS, dim, rows, 1);
            }
        }
        long toValues = 4L * call.shape().kvHeads() * dim;
        for (int key = begin; key < end; key++) {
            long to = gradient + key * call.stride() + 4L * (call.shape().heads() + kvHead) * dim;
            Gemms.axpy(to, 1, dk + 4L * (key - begin) * dim, dim);
            Gemms.axpy(to + toValues, 1, dv + 4L * (key - begin) * dim, dim);
        }
    }

    // ---- pieces

    /** Rows side by side, zeros up to a tile's rows; the number with those. */
    private static int copy(long to, long from, long stride, int count, int dim) {
        for (int row = 0; row < count; row++) {
            Raw.copy(from + row * stride, to + 4L * row * dim, 4L * dim);
        }
        int rows = (count + 3) / 4 * 4;
        Raw.fill(to + 4L * count * dim, 4L * (rows - count) * dim);
        return rows;
    }

    /** All but keys [from, to) of a row of {@code width} to minus infinity. */
    private static void mask(long scores, int from, int to, int width) {
        for (int i = 0; i < from && i < width; i++) {
            Raw.f32(scores + 4L * i, Float.NEGATIVE_INFINITY);
        }
        for (int i = Math.max(0, to); i < width; i++) {
            Raw.f32(scores + 4L * i, Float.NEGATIVE_INFINITY);
        }
    }

    private static float max(long x, int n) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < n; i++) {
            max = Math.max(max, Raw.f32(x + 4L * i));
        }
        return max;
    }

    /** In order, so that a sample has the same sum wherever it lies. */
    private static double sum(long x, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += Raw.f32(x + 4L * i);
        }
        return sum;
    }

    private static void scale(long to, long from, float factor, int n) {
        for (int i = 0; i < n; i++) {
            Raw.f32(to + 4L * i, factor * Raw.f32(from + 4L * i));
        }
    }

    private static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F, ALL, address, LE);
    }
}
