package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;
import static jdk.incubator.vector.VectorOperators.MAX;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** {@link AttentionLanes} at one width. Strides are multiples of 16, so that any width divides them. */
final class AttentionVectors implements AttentionLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final int LANES = F.length();
    private static final int VECTOR = LANES * Float.BYTES;

    @Override
    public void scores(float[] q, int queries, int headDim, long keys, int keyStride, float[] s, int to, int stride) {
        int i = 0;
        for (; i <= queries - 3; i += 3) {
            if (keyStride % (2 * LANES) == 0) {
                threePairs(q, i * headDim, headDim, keys, keyStride, s, to + i * stride, stride);
            } else {
                three(q, i * headDim, headDim, keys, keyStride, s, to + i * stride, stride);
            }
        }
        for (; i < queries; i++) {
            one(q, i * headDim, headDim, keys, keyStride, s, to + i * stride);
        }
    }

    /** Three queries by two vectors of positions: six chains. */
    private static void threePairs(
            float[] q, int first, int headDim, long keys, int keyStride, float[] s, int to, int stride) {
        int q1 = first + headDim;
        int q2 = q1 + headDim;
        for (int t = 0; t < keyStride; t += 2 * LANES) {
            long key = keys + 4L * t;
            FloatVector a0 = FloatVector.zero(F);
            FloatVector b0 = a0;
            FloatVector a1 = a0;
            FloatVector b1 = a0;
            FloatVector a2 = a0;
            FloatVector b2 = a0;
            for (int d = 0; d < headDim; d++) {
                FloatVector k = FloatVector.fromMemorySegment(F, ALL, key, LE);
                FloatVector l = FloatVector.fromMemorySegment(F, ALL, key + VECTOR, LE);
                FloatVector w = FloatVector.broadcast(F, q[first + d]);
                a0 = w.fma(k, a0);
                b0 = w.fma(l, b0);
                w = FloatVector.broadcast(F, q[q1 + d]);
                a1 = w.fma(k, a1);
                b1 = w.fma(l, b1);
                w = FloatVector.broadcast(F, q[q2 + d]);
                a2 = w.fma(k, a2);
                b2 = w.fma(l, b2);
                key += 4L * keyStride;
            }
            a0.intoArray(s, to + t);
            b0.intoArray(s, to + t + LANES);
            a1.intoArray(s, to + stride + t);
            b1.intoArray(s, to + stride + t + LANES);
            a2.intoArray(s, to + 2 * stride + t);
            b2.intoArray(s, to + 2 * stride + t + LANES);
        }
    }

    private static void three(
            float[] q, int first, int headDim, long keys, int keyStride, float[] s, int to, int stride) {
        int q1 = first + headDim;
        int q2 = q1 + headDim;
        for (int t = 0; t < keyStride; t += LANES) {
            long key = keys + 4L * t;
            FloatVector a0 = FloatVector.zero(F);
            FloatVector a1 = a0;
            FloatVector a2 = a0;
            for (int d = 0; d < headDim; d++) {
                FloatVector k = FloatVector.fromMemorySegment(F, ALL, key, LE);
                a0 = FloatVector.broadcast(F, q[first + d]).fma(k, a0);
                a1 = FloatVector.broadcast(F, q[q1 + d]).fma(k, a1);
                a2 = FloatVector.broadcast(F, q[q2 + d]).fma(k, a2);
                key += 4L * keyStride;
            }
            a0.intoArray(s, to + t);
            a1.intoArray(s, to + stride + t);
            a2.intoArray(s, to + 2 * stride + t);
        }
    }

    private static void one(float[] q, int first, int headDim, long keys, int keyStride, float[] s, int to) {
        for (int t = 0; t < keyStride; t += LANES) {
            long key = keys + 4L * t;
            FloatVector a0 = FloatVector.zero(F);
            for (int d = 0; d < headDim; d++) {
                FloatVector k = FloatVector.fromMemorySegment(F, ALL, key, LE);
                a0 = FloatVector.broadcast(F, q[first + d]).fma(k, a0);
                key += 4L * keyStride;
            }
            a0.intoArray(s, to + t);
        }
    }

    @Override
    public float weigh(float[] s, int i, int stride, float[] max, float[] sums) {
        int first = i * stride;
        FloatVector most = FloatVector.broadcast(F, max[i]);
        for (int t = 0; t < stride; t += LANES) {
            most = most.lanewise(MAX, FloatVector.fromArray(F, s, first + t));
        }
        float highest = most.reduceLanes(MAX);
        float factor = Exponential.of(max[i] - highest);
        max[i] = highest;
        for (int t = 0; t < stride; t += LANES) {
            FloatVector weight =
                    Exponential.of(FloatVector.fromArray(F, s, first + t).sub(highest));
            weight.intoArray(s, first + t);
            FloatVector.fromArray(F, sums, first + t).mul(factor).add(weight).intoArray(sums, first + t);
        }
        return factor;
    }

    @Override
    public void values(
            float[] s,
            int keyStride,
            int first,
            int queries,
            int blocks,
            int[] from,
            int[] to,
            long[] values,
            int valueStride,
            float[] factor,
            float[] o) {
        int end = first + queries;
        int i = first;
        for (; i <= end - 3; i += 3) {
            for (int d = 0; d < valueStride; d += 2 * LANES) {
                if (d + LANES < valueStride) {
                    threePairs(s, keyStride, i, blocks, from, to, values, valueStride, factor, o, d);
                } else {
                    for (int each = i; each < i + 3; each++) {
                        one(s, keyStride, each, blocks, from, to, values, valueStride, factor, o, d);
                    }
                }
            }
        }
        for (; i < end; i++) {
            for (int d = 0; d < valueStride; d += LANES) {
                one(s, keyStride, i, blocks, from, to, values, valueStride, factor, o, d);
            }
        }
    }

    /** Three queries by two vectors of the head. */
    private static void threePairs(
            float[] s,
            int keyStride,
            int first,
            int blocks,
            int[] from,
            int[] to,
            long[] values,
            int valueStride,
            float[] factor,
            float[] o,
            int d) {
        int stride = BLOCKS * keyStride;
        int at = first * valueStride + d;
        FloatVector a0 = FloatVector.fromArray(F, o, at).mul(factor[first]);
        FloatVector b0 = FloatVector.fromArray(F, o, at + LANES).mul(factor[first]);
        FloatVector a1 = FloatVector.fromArray(F, o, at + valueStride).mul(factor[first + 1]);
        FloatVector b1 = FloatVector.fromArray(F, o, at + valueStride + LANES).mul(factor[first + 1]);
        FloatVector a2 = FloatVector.fromArray(F, o, at + 2 * valueStride).mul(factor[first + 2]);
        FloatVector b2 =
                FloatVector.fromArray(F, o, at + 2 * valueStride + LANES).mul(factor[first + 2]);
        for (int block = 0; block < blocks; block++) {
            int s0 = first * stride + block * keyStride;
            int end = s0 + to[block];
            s0 += from[block];
            long value = values[block] + 4L * ((long) from[block] * valueStride + d);
            for (; s0 < end; s0++) {
                FloatVector v = FloatVector.fromMemorySegment(F, ALL, value, LE);
                FloatVector u = FloatVector.fromMemorySegment(F, ALL, value + VECTOR, LE);
                FloatVector w = FloatVector.broadcast(F, s[s0]);
                a0 = w.fma(v, a0);
                b0 = w.fma(u, b0);
                w = FloatVector.broadcast(F, s[s0 + stride]);
                a1 = w.fma(v, a1);
                b1 = w.fma(u, b1);
                w = FloatVector.broadcast(F, s[s0 + 2 * stride]);
                a2 = w.fma(v, a2);
                b2 = w.fma(u, b2);
                value += 4L * valueStride;
            }
        }
        a0.intoArray(o, at);
        b0.intoArray(o, at + LANES);
        a1.intoArray(o, at + valueStride);
        b1.intoArray(o, at + valueStride + LANES);
        a2.intoArray(o, at + 2 * valueStride);
        b2.intoArray(o, at + 2 * valueStride + LANES);
    }

    private static void one(
            float[] s,
            int keyStride,
            int query,
            int blocks,
            int[] from,
            int[] to,
            long[] values,
            int valueStride,
            float[] factor,
            float[] o,
            int d) {
        int at = query * valueStride + d;
        FloatVector a = FloatVector.fromArray(F, o, at).mul(factor[query]);
        for (int block = 0; block < blocks; block++) {
            int scores = (query * BLOCKS + block) * keyStride;
            long value = values[block] + 4L * ((long) from[block] * valueStride + d);
            for (int t = from[block]; t < to[block]; t++) {
                a = FloatVector.broadcast(F, s[scores + t]).fma(FloatVector.fromMemorySegment(F, ALL, value, LE), a);
                value += 4L * valueStride;
            }
        }
        a.intoArray(o, at);
    }

    @Override
    public void rotate(long head, long cos, long sin, int half) {
        int i = 0;
        for (; i <= half - LANES; i += LANES) {
            long at = head + 4L * i;
            FloatVector a = FloatVector.fromMemorySegment(F, ALL, at, LE);
            FloatVector b = FloatVector.fromMemorySegment(F, ALL, at + 4L * half, LE);
            FloatVector c = FloatVector.fromMemorySegment(F, ALL, cos + 4L * i, LE);
            FloatVector s = FloatVector.fromMemorySegment(F, ALL, sin + 4L * i, LE);
            a.fma(c, b.mul(s).neg()).intoMemorySegment(ALL, at, LE);
            b.fma(c, a.mul(s)).intoMemorySegment(ALL, at + 4L * half, LE);
        }
        for (; i < half; i++) {
            long at = head + 4L * i;
            float a = Raw.f32(at);
            float b = Raw.f32(at + 4L * half);
            float c = Raw.f32(cos + 4L * i);
            float s = Raw.f32(sin + 4L * i);
            Raw.f32(at, Math.fma(a, c, -(b * s)));
            Raw.f32(at + 4L * half, Math.fma(b, c, a * s));
        }
    }
}
