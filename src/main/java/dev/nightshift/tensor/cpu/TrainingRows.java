package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.CounterRandom;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Training's operations on single rows: norms, rotary embedding, activation, loss, noise, copies. */
final class TrainingRows {
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = F.length();
    private static final int BLOCK = 1 << 14;
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE;

    private final Workers workers;
    private final Scratch scratch;

    TrainingRows(Workers workers, Scratch scratch) {
        this.workers = workers;
        this.scratch = scratch;
    }

    // ---- norm

    void rmsNormBackward(Tensor dx, Tensor dy, Tensor x, Tensor weight, float epsilon) {
        int n = Math.toIntExact(x.shape().axis(1));
        long dxs = Raw.address(dx);
        long dys = Raw.address(dy);
        long xs = Raw.address(x);
        long w = Raw.address(weight);
        workers.run(
                (row, thread) -> {
                    long at = 4L * row * n;
                    normBackward(dxs + at, dys + at, xs + at, w, n, epsilon);
                },
                Math.toIntExact(x.shape().axis(0)));
    }

    /** {@code dx += w dy / rms - x (sum of w dy x) / (n rms^3)}. */
    private static void normBackward(long dx, long dy, long x, long w, int n, float epsilon) {
        double squares = 0;
        double products = 0;
        for (int i = 0; i < n; i++) {
            float value = Raw.f32(x + 4L * i);
            squares += (double) value * value;
            products += (double) value * Raw.f32(dy + 4L * i) * Raw.f32(w + 4L * i);
        }
        double inverse = 1 / Math.sqrt(squares / n + epsilon);
        float scale = (float) inverse;
        float slope = (float) (products * inverse * inverse * inverse / n);
        for (int i = 0; i < n; i++) {
            float gradient = Raw.f32(dy + 4L * i) * Raw.f32(w + 4L * i) * scale - Raw.f32(x + 4L * i) * slope;
            Raw.f32(dx + 4L * i, Raw.f32(dx + 4L * i) + gradient);
        }
    }

    // ---- rotary embedding

    void rope(Tensor out, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape) {
        int dim = shape.headDim();
        int heads = shape.heads() + shape.kvHeads();
        int width = Math.toIntExact(qkv.shape().axis(1));
        long source = Raw.address(qkv);
        long target = Raw.address(out);
        long angles = Raw.address(cosSin);
        workers.run(
                (row, thread) -> {
                    long from = source + 4L * row * width;
                    long to = target + 4L * row * width;
                    for (int head = 0; head < heads; head++) {
                        Tensor norm = head < shape.heads() ? qNorm : kNorm;
                        float scale = norm == null ? 1 : inverseRms(from + 4L * head * dim, dim, epsilon);
                        rotate(
                                to + 4L * head * dim,
                                from + 4L * head * dim,
                                norm == null ? 0 : Raw.address(norm),
                                scale,
                                angles + 4L * row * dim,
                                dim,
                                1);
                    }
                    if (source != target) {
                        Raw.copy(from + 4L * heads * dim, to + 4L * heads * dim, 4L * (width - heads * dim));
                    }
                },
                Math.toIntExact(qkv.shape().axis(0)));
    }

    void ropeBackward(
            Tensor dqkv, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape) {
        int dim = shape.headDim();
        int heads = shape.heads() + shape.kvHeads();
        int width = Math.toIntExact(dqkv.shape().axis(1));
        long gradient = Raw.address(dqkv);
        long input = qkv == null ? 0 : Raw.address(qkv);
        long angles = Raw.address(cosSin);
        workers.run(
                (row, thread) -> {
                    long own = scratch.of(thread, 8L * dim);
                    for (int head = 0; head < heads; head++) {
                        long at = 4L * row * width + 4L * head * dim;
                        Tensor norm = head < shape.heads() ? qNorm : kNorm;
                        rotate(gradient + at, gradient + at, 0, 1, angles + 4L * row * dim, dim, -1);
                        if (norm != null) {
                            Raw.copy(gradient + at, own, 4L * dim);
                            Raw.fill(gradient + at, 4L * dim);
                            normBackward(gradient + at, own, input + at, Raw.address(norm), dim, epsilon);
                        }
                    }
                },
                Math.toIntExact(dqkv.shape().axis(0)));
    }

    private static float inverseRms(long x, int n, float epsilon) {
        double squares = 0;
        for (int i = 0; i < n; i++) {
            float value = Raw.f32(x + 4L * i);
            squares += (double) value * value;
        }
        return (float) (1 / Math.sqrt(squares / n + epsilon));
    }

    /** Halves rotated by the angles, or back with {@code direction} -1. */
    private static void rotate(long out, long x, long norm, float scale, long cosSin, int dim, int direction) {
        int half = dim / 2;
        for (int i = 0; i < half; i++) {
            float a = scale * Raw.f32(x + 4L * i);
            float b = scale * Raw.f32(x + 4L * (half + i));
            if (norm != 0) {
                a *= Raw.f32(norm + 4L * i);
                b *= Raw.f32(norm + 4L * (half + i));
            }
            float cos = Raw.f32(cosSin + 4L * i);
            float sin = direction * Raw.f32(cosSin + 4L * (half + i));
            Raw.f32(out + 4L * i, a * cos - b * sin);
            Raw.f32(out + 4L * (half + i), b * cos + a * sin);
        }
    }

    // ---- activation

    /** With s = sigmoid(g): {@code dGate = dOut up s (1 + g (1 - s))}, {@code dUp = dOut g s}. */
    void swiGluBackward(Tensor dGateUp, Tensor dOut, Tensor gateUp) {
        int inner = Math.toIntExact(dOut.shape().axis(1));
        long gradient = Raw.address(dGateUp);
        long dOuts = Raw.address(dOut);
        long inputs = Raw.address(gateUp);
        workers.run(
                (row, thread) -> {
                    long in = inputs + 8L * row * inner;
                    long to = gradient + 8L * row * inner;
                    long d = dOuts + 4L * row * inner;
                    int i = 0;
                    for (; i + LANES <= inner; i += LANES) {
                        FloatVector gate = load(in + 4L * i);
                        FloatVector up = load(in + 4L * (inner + i));
                        FloatVector dy = load(d + 4L * i);
                        FloatVector s = FloatVector.broadcast(F, 1)
                                .div(Exponential.of(gate.neg()).add(1));
                        FloatVector slope = FloatVector.broadcast(F, 1).sub(s).fma(gate, FloatVector.broadcast(F, 1));
                        store(dy.mul(up).mul(s).mul(slope), to + 4L * i);
                        store(dy.mul(gate).mul(s), to + 4L * (inner + i));
                    }
                    for (; i < inner; i++) {
                        float gate = Raw.f32(in + 4L * i);
                        float dy = Raw.f32(d + 4L * i);
                        float s = 1 / (1 + Exponential.of(-gate));
                        Raw.f32(to + 4L * i, dy * Raw.f32(in + 4L * (inner + i)) * s * (1 + gate * (1 - s)));
                        Raw.f32(to + 4L * (inner + i), dy * gate * s);
                    }
                },
                Math.toIntExact(dOut.shape().axis(0)));
    }

    // ---- loss

    void crossEntropy(Tensor losses, Tensor logits, Tensor targets, Tensor weights) {
        int vocab = Math.toIntExact(logits.shape().axis(1));
        long rows = Raw.address(logits);
        long out = Raw.address(losses);
        long ids = Raw.address(targets);
        long factors = weights == null ? 0 : Raw.address(weights);
        workers.run(
                (row, thread) -> {
                    long x = rows + 4L * row * vocab;
                    int target = Raw.i32(ids + 4L * row);
                    if (target < 0) {
                        Raw.f32(out + 4L * row, 0);
                        Raw.fill(x, 4L * vocab);
                        return;
                    }
                    float max = max(x, vocab);
                    float chosen = Raw.f32(x + 4L * target);
                    double sum = expInPlace(x, vocab, max);
                    Raw.f32(out + 4L * row, (float) (Math.log(sum) + max - chosen));
                    if (factors != 0) {
                        float weight = Raw.f32(factors + 4L * row);
                        scale(x, (float) (weight / sum), vocab);
                        Raw.f32(x + 4L * target, Raw.f32(x + 4L * target) - weight);
                    }
                },
                Math.toIntExact(logits.shape().axis(0)));
    }

    /** NaN if any element is. */
    private static float max(long x, int n) {
        FloatVector max = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i + LANES <= n; i += LANES) {
            max = max.max(load(x + 4L * i));
        }
        float best = max.reduceLanes(VectorOperators.MAX);
        for (; i < n; i++) {
            best = Math.max(best, Raw.f32(x + 4L * i));
        }
        return best;
    }

    /** {@code x = exp(x - offset)}, and their sum. */
    private static double expInPlace(long x, int n, float offset) {
        int even = n / (2 * LANES) * 2 * LANES;
        Exponential.inPlace(x, even, offset);
        for (int i = even; i < n; i++) {
            Raw.f32(x + 4L * i, Exponential.of(Raw.f32(x + 4L * i) - offset));
        }
        return sum(x, n);
    }

    /** In double by blocks. */
    private static double sum(long x, int n) {
        double sum = 0;
        int i = 0;
        while (i + LANES <= n) {
            FloatVector block = FloatVector.zero(F);
            for (int end = Math.min(n - LANES, i + 64 * LANES); i <= end; i += LANES) {
                block = block.add(load(x + 4L * i));
            }
            sum += Gemms.sum(block);
        }
        for (; i < n; i++) {
            sum += Raw.f32(x + 4L * i);
        }
        return sum;
    }

    private static void scale(long x, float factor, int n) {
        int i = 0;
        for (; i + LANES <= n; i += LANES) {
            store(load(x + 4L * i).mul(factor), x + 4L * i);
        }
        for (; i < n; i++) {
            Raw.f32(x + 4L * i, Raw.f32(x + 4L * i) * factor);
        }
    }

    // ---- rows as they are

    void scatterRows(Tensor out, Tensor x, Tensor indices) {
        int n = Math.toIntExact(x.shape().axis(1));
        long to = Raw.address(out);
        long from = Raw.address(x);
        long ids = Raw.address(indices);
        workers.run(
                (row, thread) -> {
                    int index = Raw.i32(ids + 4L * row);
                    if (index >= 0) {
                        Gemms.axpy(to + 4L * index * n, 1, from + 4L * row * n, n);
                    }
                },
                Math.toIntExact(x.shape().axis(0)));
    }

    void add(Tensor out, Tensor x) {
        long to = Raw.address(out);
        long from = Raw.address(x);
        blocks(x.shape().elements(), (at, count) -> Gemms.axpy(to + 4 * at, 1, from + 4 * at, count));
    }

    void addNoise(Tensor x, float amplitude, long seed, int firstRow) {
        int n = Math.toIntExact(x.shape().axis(1));
        long xs = Raw.address(x);
        workers.run(
                (row, thread) -> {
                    for (int i = 0; i < n; i++) {
                        float uniform = CounterRandom.uniform(seed, CounterRandom.NEFTUNE, firstRow + row, i);
                        long at = xs + 4L * ((long) row * n + i);
                        Raw.f32(at, Raw.f32(at) + amplitude * (2 * uniform - 1));
                    }
                },
                Math.toIntExact(x.shape().axis(0)));
    }

    void sumOfSquares(Tensor out, int index, Tensor x) {
        long from = Raw.address(x);
        long n = x.shape().elements();
        int blocks = Math.toIntExact((n + BLOCK - 1) / BLOCK);
        long sums = scratch.shared(8L * blocks);
        workers.run(
                (block, thread) -> {
                    double sum = 0;
                    long end = Math.min(n, (block + 1L) * BLOCK);
                    for (long i = (long) block * BLOCK; i < end; i++) {
                        double value = Raw.f32(from + 4 * i);
                        sum += value * value;
                    }
                    ALL.set(F64, sums + 8L * block, sum);
                },
                blocks);
        double total = 0;
        for (int block = 0; block < blocks; block++) {
            total += ALL.get(F64, sums + 8L * block);
        }
        Raw.f32(Raw.address(out) + 4L * index, (float) total);
    }

    /** A stretch of elements. */
    interface Stretch {
        void run(long from, int count);
    }

    void blocks(long n, Stretch stretch) {
        workers.run(
                (block, thread) -> {
                    long from = (long) block * BLOCK;
                    stretch.run(from, (int) Math.min(BLOCK, n - from));
                },
                Math.toIntExact((n + BLOCK - 1) / BLOCK));
    }

    private static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F, ALL, address, LE);
    }

    private static void store(FloatVector vector, long address) {
        vector.intoMemorySegment(ALL, address, LE);
    }
}
