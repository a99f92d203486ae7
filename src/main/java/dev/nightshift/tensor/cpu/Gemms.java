package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Inner loops of training's dense products over F32 matrices given by address and row stride in bytes. Each element is one
 * chain of operations in one order, so results don't depend on how the work is cut among threads.
 */
final class Gemms {
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = F.length();
    private static final int VECTOR = LANES * Float.BYTES;

    private static final VectorShuffle<Float> BY_8 = rotation(8);
    private static final VectorShuffle<Float> BY_4 = rotation(4);
    private static final VectorShuffle<Float> BY_2 = rotation(2);
    private static final VectorShuffle<Float> BY_1 = rotation(1);

    private Gemms() {}

    private static VectorShuffle<Float> rotation(int lanes) {
        return VectorShuffle.fromOp(F, lane -> (lane + lanes) % LANES);
    }

    /**
     * Sum of a vector's lanes, halves on halves. The vector API leaves the order of its own sum open, and interpreted and
     * compiled code do differ there: a training that goes on after a restart would not have the same bits.
     */
    static float sum(FloatVector v) {
        return pairs(LANES > 4 ? quads(v) : v).lane(0);
    }

    private static FloatVector quads(FloatVector v) {
        return LANES > 8 ? fold(fold(v, BY_8), BY_4) : fold(v, BY_4);
    }

    private static FloatVector pairs(FloatVector v) {
        return fold(fold(v, BY_2), BY_1);
    }

    private static FloatVector fold(FloatVector v, VectorShuffle<Float> by) {
        return v.add(v.rearrange(by));
    }

    /** {@code y[i] += c * x[i]}. */
    static void axpy(long y, float c, long x, int n) {
        FloatVector factor = FloatVector.broadcast(F, c);
        int i = 0;
        for (; i + LANES <= n; i += LANES) {
            long at = 4L * i;
            load(x + at).fma(factor, load(y + at)).intoMemorySegment(ALL, y + at, LE);
        }
        for (; i < n; i++) {
            Raw.f32(y + 4L * i, Math.fma(Raw.f32(x + 4L * i), c, Raw.f32(y + 4L * i)));
        }
    }

    /**
     * {@code c[m][n] += alpha * sum over k of a[m][k] * b[k][n]} for {@code rows} rows of c; with {@code fresh}, {@code =}.
     * Tiles of 4 rows by 2 vectors stay in registers over all of k.
     */
    static void rowsTimes(
            long c,
            long strideC,
            long a,
            long strideA,
            long b,
            long strideB,
            int rows,
            int n,
            int k,
            float alpha,
            boolean fresh) {
        for (int row = 0; fresh && row < rows; row++) {
            Raw.fill(c + row * strideC, 4L * n); // a branch in the tile would leave its other side compiled badly
        }
        int m = 0;
        for (; m + 4 <= rows; m += 4) {
            int j = 0;
            for (; j + 2 * LANES <= n; j += 2 * LANES) {
                tile(c + m * strideC + 4L * j, strideC, a + m * strideA, strideA, 4, b + 4L * j, strideB, k, alpha);
            }
            if (j + LANES <= n) {
                narrow(c + m * strideC + 4L * j, strideC, a + m * strideA, strideA, 4, b + 4L * j, strideB, k, alpha);
                j += LANES;
            }
            if (j < n) {
                edge(c + m * strideC, strideC, a + m * strideA, strideA, 4, b, strideB, 4, j, n, k, alpha);
            }
        }
        if (m < rows) {
            edge(c + m * strideC, strideC, a + m * strideA, strideA, 4, b, strideB, rows - m, 0, n, k, alpha);
        }
    }

    /**
     * {@code c[m][n] += alpha * sum over k of a[k][m] * b[k][n]}: as {@link #rowsTimes} with a transposed, for gradients that
     * sum over rows.
     */
    static void columnsTimes(
            long c, long strideC, long a, long strideA, long b, long strideB, int columns, int n, int k, float alpha) {
        int m = 0;
        for (; m + 4 <= columns; m += 4) {
            int j = 0;
            for (; j + 2 * LANES <= n; j += 2 * LANES) {
                tile(c + m * strideC + 4L * j, strideC, a + 4L * m, 4, strideA, b + 4L * j, strideB, k, alpha);
            }
            if (j + LANES <= n) {
                narrow(c + m * strideC + 4L * j, strideC, a + 4L * m, 4, strideA, b + 4L * j, strideB, k, alpha);
                j += LANES;
            }
            if (j < n) {
                edge(c + m * strideC, strideC, a + 4L * m, 4, strideA, b, strideB, 4, j, n, k, alpha);
            }
        }
        if (m < columns) {
            edge(c + m * strideC, strideC, a + 4L * m, 4, strideA, b, strideB, columns - m, 0, n, k, alpha);
        }
    }

    /**
     * 4 rows by 2 vectors; a's element (m, k) lies at {@code a + m * strideA + k * stepA}. Written out: a method that the compiler
     * does not inline takes its vectors from the heap.
     */
    private static void tile(
            long c, long strideC, long a, long strideA, long stepA, long b, long strideB, int k, float alpha) {
        FloatVector s00 = FloatVector.zero(F);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        long a1 = a + strideA;
        long a2 = a1 + strideA;
        long a3 = a2 + strideA;
        long c1 = c + strideC;
        long c2 = c1 + strideC;
        long c3 = c2 + strideC;
        long at = 0;
        for (int i = 0; i < k; i++, b += strideB, at += stepA) {
            FloatVector b0 = load(b);
            FloatVector b1 = load(b + VECTOR);
            FloatVector x = FloatVector.broadcast(F, Raw.f32(a + at));
            s00 = b0.fma(x, s00);
            s01 = b1.fma(x, s01);
            x = FloatVector.broadcast(F, Raw.f32(a1 + at));
            s10 = b0.fma(x, s10);
            s11 = b1.fma(x, s11);
            x = FloatVector.broadcast(F, Raw.f32(a2 + at));
            s20 = b0.fma(x, s20);
            s21 = b1.fma(x, s21);
            x = FloatVector.broadcast(F, Raw.f32(a3 + at));
            s30 = b0.fma(x, s30);
            s31 = b1.fma(x, s31);
        }
        FloatVector factor = FloatVector.broadcast(F, alpha);
        s00.fma(factor, load(c)).intoMemorySegment(ALL, c, LE);
        s01.fma(factor, load(c + VECTOR)).intoMemorySegment(ALL, c + VECTOR, LE);
        s10.fma(factor, load(c1)).intoMemorySegment(ALL, c1, LE);
        s11.fma(factor, load(c1 + VECTOR)).intoMemorySegment(ALL, c1 + VECTOR, LE);
        s20.fma(factor, load(c2)).intoMemorySegment(ALL, c2, LE);
        s21.fma(factor, load(c2 + VECTOR)).intoMemorySegment(ALL, c2 + VECTOR, LE);
        s30.fma(factor, load(c3)).intoMemorySegment(ALL, c3, LE);
        s31.fma(factor, load(c3 + VECTOR)).intoMemorySegment(ALL, c3 + VECTOR, LE);
    }

    /** As {@link #tile} with one vector. */
    private static void narrow(
            long c, long strideC, long a, long strideA, long stepA, long b, long strideB, int k, float alpha) {
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        long a1 = a + strideA;
        long a2 = a1 + strideA;
        long a3 = a2 + strideA;
        long at = 0;
        for (int i = 0; i < k; i++, b += strideB, at += stepA) {
            FloatVector x = load(b);
            s0 = x.fma(FloatVector.broadcast(F, Raw.f32(a + at)), s0);
            s1 = x.fma(FloatVector.broadcast(F, Raw.f32(a1 + at)), s1);
            s2 = x.fma(FloatVector.broadcast(F, Raw.f32(a2 + at)), s2);
            s3 = x.fma(FloatVector.broadcast(F, Raw.f32(a3 + at)), s3);
        }
        FloatVector factor = FloatVector.broadcast(F, alpha);
        long c1 = c + strideC;
        long c2 = c1 + strideC;
        long c3 = c2 + strideC;
        s0.fma(factor, load(c)).intoMemorySegment(ALL, c, LE);
        s1.fma(factor, load(c1)).intoMemorySegment(ALL, c1, LE);
        s2.fma(factor, load(c2)).intoMemorySegment(ALL, c2, LE);
        s3.fma(factor, load(c3)).intoMemorySegment(ALL, c3, LE);
    }

    /** What tiles don't cover, element by element in the same order over k. */
    private static void edge(
            long c,
            long strideC,
            long a,
            long strideA,
            long stepA,
            long b,
            long strideB,
            int rows,
            int from,
            int n,
            int k,
            float alpha) {
        for (int m = 0; m < rows; m++) {
            for (int j = from; j < n; j++) {
                float sum = 0;
                for (int i = 0; i < k; i++) {
                    sum = Math.fma(Raw.f32(b + i * strideB + 4L * j), Raw.f32(a + m * strideA + i * stepA), sum);
                }
                long at = c + m * strideC + 4L * j;
                Raw.f32(at, Math.fma(sum, alpha, Raw.f32(at)));
            }
        }
    }

    private static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F, ALL, address, LE);
    }
}
