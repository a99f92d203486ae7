package dev.nightshift.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Inner loops of {@link PackedAttention} over arrays. A lane is a query: scores lie as [key][COLUMNS queries], so that maximum, sum
 * and mask run down columns, and a block of them is the panel of the next product as it is ({@link ChainLanes}).
 */
final class AttentionTiles {
    private static final int COLUMNS = ChainLanes.COLUMNS;
    private static final int GROUP = ChainLanes.GROUP;

    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = F.length();
    private static final int PAIR = 2 * LANES;

    private AttentionTiles() {}

    /** {@code maxima[c]} = the largest of {@code rows} rows of x, a multiple of {@link #GROUP}; what is not a number is left out. */
    static void maxima(float[] x, int xo, int rows, float[] maxima) {
        for (int column = 0; column < COLUMNS; column += PAIR) {
            maximum(x, xo + column, rows, maxima, column);
        }
    }

    /** Of two vectors of columns, four rows a step: small enough to be inlined, it would leave vectors on the heap. */
    private static void maximum(float[] x, int at, int rows, float[] maxima, int to) {
        FloatVector a = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector b = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector c = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector d = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector e = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector f = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector g = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector h = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        for (int row = 0; row < rows; row += GROUP) {
            FloatVector v = FloatVector.fromArray(F, x, at);
            a = a.blend(v, v.compare(VectorOperators.GT, a));
            v = FloatVector.fromArray(F, x, at + LANES);
            e = e.blend(v, v.compare(VectorOperators.GT, e));
            v = FloatVector.fromArray(F, x, at + COLUMNS);
            b = b.blend(v, v.compare(VectorOperators.GT, b));
            v = FloatVector.fromArray(F, x, at + COLUMNS + LANES);
            f = f.blend(v, v.compare(VectorOperators.GT, f));
            v = FloatVector.fromArray(F, x, at + 2 * COLUMNS);
            c = c.blend(v, v.compare(VectorOperators.GT, c));
            v = FloatVector.fromArray(F, x, at + 2 * COLUMNS + LANES);
            g = g.blend(v, v.compare(VectorOperators.GT, g));
            v = FloatVector.fromArray(F, x, at + 3 * COLUMNS);
            d = d.blend(v, v.compare(VectorOperators.GT, d));
            v = FloatVector.fromArray(F, x, at + 3 * COLUMNS + LANES);
            h = h.blend(v, v.compare(VectorOperators.GT, h));
            at += GROUP * COLUMNS;
        }
        a = a.blend(b, b.compare(VectorOperators.GT, a));
        c = c.blend(d, d.compare(VectorOperators.GT, c));
        a.blend(c, c.compare(VectorOperators.GT, a)).intoArray(maxima, to);
        e = e.blend(f, f.compare(VectorOperators.GT, e));
        g = g.blend(h, h.compare(VectorOperators.GT, g));
        e.blend(g, g.compare(VectorOperators.GT, e)).intoArray(maxima, to + LANES);
    }

    /**
     * {@code x[row][c] = exp(x[row][c] - offsets[c])}, and {@code sums[c]} over {@code rows} rows, in their order, so that a sample has
     * the same sum wherever it lies.
     */
    static void exponentials(float[] x, int xo, int rows, float[] offsets, float[] sums) {
        for (int column = 0; column < COLUMNS; column += PAIR) {
            Exponential.inPlace(x, xo + column, rows, COLUMNS, offsets, sums, column);
        }
    }

    /** {@code dp[row][c] = scale * p[row][c] * (dp[row][c] - deltas[c])} for {@code rows} rows, a multiple of {@link #GROUP}. */
    static void slopes(float[] dp, int dpo, float[] p, int po, int rows, float[] deltas, float scale) {
        for (int column = 0; column < COLUMNS; column += PAIR) {
            slope(dp, dpo + column, p, po + column, rows, deltas, column, scale);
        }
    }

    /** Of two vectors of columns, four rows a step: small enough to be inlined, it would leave vectors on the heap. */
    private static void slope(
            float[] dp, int dpo, float[] p, int po, int rows, float[] deltas, int column, float scale) {
        FloatVector factor = FloatVector.broadcast(F, scale);
        FloatVector delta = FloatVector.fromArray(F, deltas, column);
        FloatVector next = FloatVector.fromArray(F, deltas, column + LANES);
        for (int row = 0; row < rows; row += GROUP) {
            FloatVector weight = FloatVector.fromArray(F, p, po).mul(factor);
            FloatVector.fromArray(F, dp, dpo).sub(delta).mul(weight).intoArray(dp, dpo);
            weight = FloatVector.fromArray(F, p, po + LANES).mul(factor);
            FloatVector.fromArray(F, dp, dpo + LANES).sub(next).mul(weight).intoArray(dp, dpo + LANES);
            po += COLUMNS;
            dpo += COLUMNS;
            weight = FloatVector.fromArray(F, p, po).mul(factor);
            FloatVector.fromArray(F, dp, dpo).sub(delta).mul(weight).intoArray(dp, dpo);
            weight = FloatVector.fromArray(F, p, po + LANES).mul(factor);
            FloatVector.fromArray(F, dp, dpo + LANES).sub(next).mul(weight).intoArray(dp, dpo + LANES);
            po += COLUMNS;
            dpo += COLUMNS;
            weight = FloatVector.fromArray(F, p, po).mul(factor);
            FloatVector.fromArray(F, dp, dpo).sub(delta).mul(weight).intoArray(dp, dpo);
            weight = FloatVector.fromArray(F, p, po + LANES).mul(factor);
            FloatVector.fromArray(F, dp, dpo + LANES).sub(next).mul(weight).intoArray(dp, dpo + LANES);
            po += COLUMNS;
            dpo += COLUMNS;
            weight = FloatVector.fromArray(F, p, po).mul(factor);
            FloatVector.fromArray(F, dp, dpo).sub(delta).mul(weight).intoArray(dp, dpo);
            weight = FloatVector.fromArray(F, p, po + LANES).mul(factor);
            FloatVector.fromArray(F, dp, dpo + LANES).sub(next).mul(weight).intoArray(dp, dpo + LANES);
            po += COLUMNS;
            dpo += COLUMNS;
        }
    }
}
