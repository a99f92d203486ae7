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
    private static final int STATE = QueryTile.STATE;
    private static final int FACTOR = QueryTile.FACTOR;

    @Override
    public void scaled(long q, float scale, int headDim, float[] to, int at) {
        int d = 0;
        for (; d <= headDim - LANES; d += LANES) {
            FloatVector.fromMemorySegment(F, ALL, q + 4L * d, LE).mul(scale).intoArray(to, at + d);
        }
        for (; d < headDim; d++) {
            to[at + d] = Raw.f32(q + 4L * d) * scale;
        }
    }

    @Override
    public void scaled(float[] o, int at, float factor, int headDim, long out) {
        int d = 0;
        for (; d <= headDim - LANES; d += LANES) {
            FloatVector.fromArray(F, o, at + d).mul(factor).intoMemorySegment(ALL, out + 4L * d, LE);
        }
        for (; d < headDim; d++) {
            Raw.f32(out + 4L * d, o[at + d] * factor);
        }
    }

    @Override
    public void scores(QueryTile tile, Longs keys, int columns, int keyStride, int headDim) {
        float[] q = tile.q.values();
        float[] s = tile.s.values();
        for (int column = 0; column < columns; column++) {
            for (int t = 0; t < COLUMN; t += LANES) {
                long key = keys.values()[column] + 4L * t;
                int to = column * COLUMN + t;
                for (int row = 0; row < tile.rows(); row += QueryTile.HALF) {
                    three(
                            q,
                            row * tile.head,
                            tile.head,
                            headDim,
                            key,
                            keyStride,
                            s,
                            row * tile.scores + to,
                            tile.scores);
                }
            }
        }
    }

    private static void three(
            float[] q, int first, int head, int headDim, long key, int keyStride, float[] s, int to, int stride) {
        int q1 = first + head;
        int q2 = q1 + head;
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
        a0.intoArray(s, to);
        a1.intoArray(s, to + stride);
        a2.intoArray(s, to + 2 * stride);
    }

    @Override
    public void weigh(QueryTile tile, int columns) {
        for (int i = 0; i < tile.rows(); i++) {
            weigh(tile.s.values(), i * tile.scores, columns * COLUMN, tile.state.values(), i * STATE);
        }
    }

    private static void weigh(float[] s, int first, int count, float[] state, int at) {
        FloatVector most = FloatVector.broadcast(F, state[at]);
        for (int t = 0; t < count; t += LANES) {
            most = most.lanewise(MAX, FloatVector.fromArray(F, s, first + t));
        }
        float highest = most.reduceLanes(MAX);
        float factor = Exponential.of(state[at] - highest);
        state[at] = highest;
        state[at + FACTOR] = factor;
        for (int lane = 0; lane < COLUMN; lane += LANES) {
            int sums = at + QueryTile.SUMS + lane;
            FloatVector sum = FloatVector.fromArray(F, state, sums).mul(factor);
            for (int t = lane; t < count; t += COLUMN) {
                FloatVector weight =
                        Exponential.of(FloatVector.fromArray(F, s, first + t).sub(highest));
                weight.intoArray(s, first + t);
                sum = sum.add(weight);
            }
            sum.intoArray(state, sums);
        }
    }

    @Override
    public void values(QueryTile tile, Longs runs, int count, int valueStride) {
        for (int row = 0; row < tile.rows(); row += QueryTile.HALF) {
            int d = 0;
            for (; d <= valueStride - 2 * LANES; d += 2 * LANES) {
                threePairs(tile, row, runs.values(), count, valueStride, d);
            }
            if (d < valueStride) {
                three(tile, row, runs.values(), count, valueStride, d);
            }
        }
    }

    /** Three queries by two vectors of the head. */
    private static void threePairs(QueryTile tile, int row, long[] runs, int count, int valueStride, int d) {
        float[] o = tile.o.values();
        float[] s = tile.s.values();
        float[] state = tile.state.values();
        int head = tile.head;
        int stride = tile.scores;
        int at = row * head + d;
        int factor = row * STATE + FACTOR;
        FloatVector a0 = FloatVector.fromArray(F, o, at).mul(state[factor]);
        FloatVector b0 = FloatVector.fromArray(F, o, at + LANES).mul(state[factor]);
        FloatVector a1 = FloatVector.fromArray(F, o, at + head).mul(state[factor + STATE]);
        FloatVector b1 = FloatVector.fromArray(F, o, at + head + LANES).mul(state[factor + STATE]);
        FloatVector a2 = FloatVector.fromArray(F, o, at + 2 * head).mul(state[factor + 2 * STATE]);
        FloatVector b2 = FloatVector.fromArray(F, o, at + 2 * head + LANES).mul(state[factor + 2 * STATE]);
        for (int run = 0; run < RUN * count; run += RUN) {
            long value = runs[run] + 4L * d;
            int s0 = row * stride + (int) runs[run + 1];
            int end = s0 + (int) runs[run + 2];
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
        a1.intoArray(o, at + head);
        b1.intoArray(o, at + head + LANES);
        a2.intoArray(o, at + 2 * head);
        b2.intoArray(o, at + 2 * head + LANES);
    }

    private static void three(QueryTile tile, int row, long[] runs, int count, int valueStride, int d) {
        for (int i = row; i < row + QueryTile.HALF; i++) {
            float factor = tile.state.values()[i * STATE + FACTOR];
            one(tile, i, factor, runs, count, valueStride, d);
        }
    }

    @Override
    public void values(QueryTile tile, int query, Longs runs, int count, int valueStride) {
        for (int d = 0; d < valueStride; d += LANES) {
            one(tile, query, 1, runs.values(), count, valueStride, d);
        }
    }

    private static void one(QueryTile tile, int query, float factor, long[] runs, int count, int valueStride, int d) {
        float[] s = tile.s.values();
        int at = query * tile.head + d;
        FloatVector a = FloatVector.fromArray(F, tile.o.values(), at).mul(factor);
        for (int run = 0; run < RUN * count; run += RUN) {
            long value = runs[run] + 4L * d;
            int s0 = query * tile.scores + (int) runs[run + 1];
            int end = s0 + (int) runs[run + 2];
            for (; s0 < end; s0++) {
                a = FloatVector.broadcast(F, s[s0]).fma(FloatVector.fromMemorySegment(F, ALL, value, LE), a);
                value += 4L * valueStride;
            }
        }
        a.intoArray(tile.o.values(), at);
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
