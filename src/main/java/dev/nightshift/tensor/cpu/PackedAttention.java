package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Causal attention inside the samples of a packed batch, and its backward. Nothing of size [tokens, tokens] is stored: the
 * backward computes the probabilities again from the log of their sum (Dao et al., arXiv 2205.14135), once by rows for q and
 * once by keys for k and v, so that each sum has one owner whatever the number of threads.
 */
final class PackedAttention {
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = F.length();
    private static final int KEYS = 16;

    private final Workers workers;
    private final Scratch scratch;

    PackedAttention(Workers workers, Scratch scratch) {
        this.workers = workers;
        this.scratch = scratch;
    }

    /** Addresses and strides of one call. */
    private record Call(
            long qkv,
            long stride,
            long out,
            long dOut,
            long logSumExp,
            long starts,
            AttentionShape shape,
            int tokens,
            int from,
            int to) {
        long q(int row, int head) {
            return qkv + row * stride + 4L * head * shape.headDim();
        }

        long k(int row, int head) {
            return qkv + row * stride + 4L * (shape.heads() + kvHead(head)) * shape.headDim();
        }

        long v(int row, int head) {
            return qkv + row * stride + 4L * (shape.heads() + shape.kvHeads() + kvHead(head)) * shape.headDim();
        }

        int kvHead(int head) {
            return head / (shape.heads() / shape.kvHeads());
        }

        long heads(long base, int row, int head) {
            return base + 4L * ((long) row * shape.heads() + head) * shape.headDim();
        }

        float lse(int row, int head) {
            return Raw.f32(logSumExp + 4L * ((long) row * shape.heads() + head));
        }

        int firstKey(int row) {
            int start = Raw.i32(starts + 4L * row);
            return shape.window() == 0 ? start : Math.max(start, row - shape.window() + 1);
        }
    }

    // ---- forward

    void forward(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to) {
        Call call = call(out, null, logSumExp, qkv, segmentStarts, shape, from, to);
        int heads = shape.heads();
        workers.run((item, thread) -> row(call, from + item / heads, item % heads, thread), (to - from) * heads);
    }

    private void row(Call call, int row, int head, int thread) {
        int first = call.firstKey(row);
        int keys = row - first + 1;
        int dim = call.shape().headDim();
        long scores = scratch.of(thread, 4L * (call.tokens() + KEYS));
        scores(call, row, head, first, keys, scores);
        float max = Float.NEGATIVE_INFINITY;
        for (int j = 0; j < keys; j++) {
            max = Math.max(max, Raw.f32(scores + 4L * j));
        }
        expInPlace(scores, keys, max);
        double sum = 0;
        for (int j = 0; j < keys; j++) {
            sum += Raw.f32(scores + 4L * j);
        }
        long target = call.heads(call.out(), row, head);
        Raw.fill(target, 4L * dim);
        accumulate(target, scores, call.v(first, head), call.stride(), keys, dim);
        scale(target, (float) (1 / sum), dim);
        Raw.f32(call.logSumExp() + 4L * ((long) row * call.shape().heads() + head), (float) (max + Math.log(sum)));
    }

    /** {@code scores[j] = scale * q . k[first + j]}. */
    private static void scores(Call call, int row, int head, int first, int keys, long scores) {
        int dim = call.shape().headDim();
        long q = call.q(row, head);
        products(q, call.k(first, head), call.stride(), keys, dim, scores);
        scale(scores, call.shape().scale(), keys);
    }

    private static void products(long x, long rows, long stride, int count, int dim, long out) {
        int j = 0;
        for (; j + 4 <= count; j += 4) {
            Gemms.dot4(x, rows + j * stride, stride, dim, out + 4L * j);
        }
        for (; j < count; j++) {
            Raw.f32(out + 4L * j, Gemms.dot(x, rows + j * stride, dim));
        }
    }

    /** {@code target += sum over j of factors[j] * rows[j]}. */
    private static void accumulate(long target, long factors, long rows, long stride, int count, int dim) {
        int j = 0;
        for (; j + 4 <= count; j += 4) {
            long f = factors + 4L * j;
            Gemms.axpy4(
                    target,
                    Raw.f32(f),
                    Raw.f32(f + 4),
                    Raw.f32(f + 8),
                    Raw.f32(f + 12),
                    rows + j * stride,
                    stride,
                    dim);
        }
        for (; j < count; j++) {
            Gemms.axpy(target, Raw.f32(factors + 4L * j), rows + j * stride, dim);
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
        Call call = call(out, dout, logSumExp, qkv, segmentStarts, shape, from, to);
        int heads = shape.heads();
        long gradient = Raw.address(dqkv);
        workers.run(
                (item, thread) -> queryGradient(call, gradient, from + item / heads, item % heads, thread),
                (to - from) * heads);
        int firstKey = call.tokens();
        for (int row = from; row < to; row++) {
            firstKey = Math.min(firstKey, call.firstKey(row));
        }
        int lowest = firstKey;
        int blocks = (to - lowest + KEYS - 1) / KEYS;
        int kvHeads = shape.kvHeads();
        workers.run(
                (item, thread) -> {
                    int begin = lowest + item / kvHeads * KEYS;
                    keyGradient(call, gradient, begin, Math.min(to, begin + KEYS), item % kvHeads, thread);
                },
                blocks * kvHeads);
    }

    /** {@code dq[row] += scale * sum over keys of ds * k}, ds = p (dOut . v - dOut . out). */
    private void queryGradient(Call call, long gradient, int row, int head, int thread) {
        int first = call.firstKey(row);
        int keys = row - first + 1;
        int dim = call.shape().headDim();
        long p = scratch.of(thread, 8L * (call.tokens() + KEYS));
        long dp = p + 4L * (call.tokens() + KEYS);
        long dOut = call.heads(call.dOut(), row, head);
        scores(call, row, head, first, keys, p);
        expInPlace(p, keys, call.lse(row, head));
        products(dOut, call.v(first, head), call.stride(), keys, dim, dp);
        float delta = Gemms.dot(dOut, call.heads(call.out(), row, head), dim);
        float scale = call.shape().scale();
        for (int j = 0; j < keys; j++) {
            Raw.f32(p + 4L * j, scale * Raw.f32(p + 4L * j) * (Raw.f32(dp + 4L * j) - delta));
        }
        long target = gradient + row * call.stride() + 4L * head * dim;
        accumulate(target, p, call.k(first, head), call.stride(), keys, dim);
    }

    /** dk and dv of keys [begin, end) of one kv head, over the call's query rows in rising order and the group's heads. */
    private void keyGradient(Call call, long gradient, int begin, int end, int kvHead, int thread) {
        int dim = call.shape().headDim();
        int group = call.shape().heads() / call.shape().kvHeads();
        long p = scratch.of(thread, 4L * 2 * KEYS);
        long dp = p + 4L * KEYS;
        for (int row = Math.max(call.from(), begin); row < call.to(); row++) {
            int first = Math.max(begin, call.firstKey(row));
            int keys = Math.min(end, row + 1) - first;
            if (keys <= 0) {
                continue;
            }
            for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
                long dOut = call.heads(call.dOut(), row, head);
                long q = call.q(row, head);
                scores(call, row, head, first, keys, p);
                expInPlace(p, keys, call.lse(row, head));
                products(dOut, call.v(first, head), call.stride(), keys, dim, dp);
                float delta = Gemms.dot(dOut, call.heads(call.out(), row, head), dim);
                for (int j = 0; j < keys; j++) {
                    float probability = Raw.f32(p + 4L * j);
                    float ds = call.shape().scale() * probability * (Raw.f32(dp + 4L * j) - delta);
                    long key = gradient
                            + (first + j) * call.stride()
                            + 4L * (call.shape().heads() + kvHead) * dim;
                    Gemms.axpy(key, ds, q, dim);
                    Gemms.axpy(key + 4L * call.shape().kvHeads() * dim, probability, dOut, dim);
                }
            }
        }
    }

    // ---- pieces

    private static Call call(
            Tensor out,
            Tensor dOut,
            Tensor logSumExp,
            Tensor qkv,
            Tensor starts,
            AttentionShape shape,
            int from,
            int to) {
        return new Call(
                Raw.address(qkv),
                4L * qkv.shape().axis(1),
                Raw.address(out),
                dOut == null ? 0 : Raw.address(dOut),
                Raw.address(logSumExp),
                Raw.address(starts),
                shape,
                Math.toIntExact(qkv.shape().axis(0)),
                from,
                to);
    }

    private static void scale(long x, float factor, int n) {
        FloatVector f = FloatVector.broadcast(F, factor);
        int i = 0;
        for (; i + LANES <= n; i += LANES) {
            FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE).mul(f).intoMemorySegment(ALL, x + 4L * i, LE);
        }
        for (; i < n; i++) {
            Raw.f32(x + 4L * i, Raw.f32(x + 4L * i) * factor);
        }
    }

    /** {@code x[i] = exp(x[i] - offset)}. */
    private static void expInPlace(long x, int n, float offset) {
        FloatVector shift = FloatVector.broadcast(F, offset);
        int i = 0;
        for (; i + LANES <= n; i += LANES) {
            Exponential.of(FloatVector.fromMemorySegment(F, ALL, x + 4L * i, LE).sub(shift))
                    .intoMemorySegment(ALL, x + 4L * i, LE);
        }
        for (; i < n; i++) {
            Raw.f32(x + 4L * i, Exponential.of(Raw.f32(x + 4L * i) - offset));
        }
    }
}
