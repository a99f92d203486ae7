package dev.nightshift.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Inner loops of {@link PackedAttention} over arrays. A lane is a query: scores lie as [key][COLUMNS queries], so that maximum, sum
 * and mask run down columns, and a block of them is the panel of the next product as it is. Register tiles of four rows by two
 * vectors go on with the chains that they find in {@code totals}; written out, as {@link PanelVectors} is.
 */
final class AttentionTiles {
    /** Floats of a row of totals and of a panel. */
    static final int COLUMNS = 32;
    /** Rows that lie side by side in packed factors. */
    static final int GROUP = 4;

    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = F.length();
    private static final int PAIR = 2 * LANES;

    private AttentionTiles() {}

    /** {@code totals[4 g + r][c] += sum over k of x[xo + g stride + 4 k + r] * panel[k][c]}. */
    static void packed(
            float[] x, int xo, int stride, int groups, float[] panel, int po, int k, float[] totals, int to) {
        for (int group = 0; group < groups; group++) {
            for (int column = 0; column < COLUMNS; column += PAIR) {
                packedTile(
                        x, xo + group * stride, panel, po + column, k, totals, to + group * GROUP * COLUMNS + column);
            }
        }
    }

    private static void packedTile(float[] x, int xo, float[] panel, int po, int k, float[] totals, int to) {
        FloatVector a0 = FloatVector.fromArray(F, totals, to);
        FloatVector b0 = FloatVector.fromArray(F, totals, to + LANES);
        FloatVector a1 = FloatVector.fromArray(F, totals, to + COLUMNS);
        FloatVector b1 = FloatVector.fromArray(F, totals, to + COLUMNS + LANES);
        FloatVector a2 = FloatVector.fromArray(F, totals, to + 2 * COLUMNS);
        FloatVector b2 = FloatVector.fromArray(F, totals, to + 2 * COLUMNS + LANES);
        FloatVector a3 = FloatVector.fromArray(F, totals, to + 3 * COLUMNS);
        FloatVector b3 = FloatVector.fromArray(F, totals, to + 3 * COLUMNS + LANES);
        for (int i = 0; i < k; i++) {
            FloatVector p = FloatVector.fromArray(F, panel, po);
            FloatVector q = FloatVector.fromArray(F, panel, po + LANES);
            FloatVector v = FloatVector.broadcast(F, x[xo]);
            a0 = v.fma(p, a0);
            b0 = v.fma(q, b0);
            v = FloatVector.broadcast(F, x[xo + 1]);
            a1 = v.fma(p, a1);
            b1 = v.fma(q, b1);
            v = FloatVector.broadcast(F, x[xo + 2]);
            a2 = v.fma(p, a2);
            b2 = v.fma(q, b2);
            v = FloatVector.broadcast(F, x[xo + 3]);
            a3 = v.fma(p, a3);
            b3 = v.fma(q, b3);
            po += COLUMNS;
            xo += GROUP;
        }
        a0.intoArray(totals, to);
        b0.intoArray(totals, to + LANES);
        a1.intoArray(totals, to + COLUMNS);
        b1.intoArray(totals, to + COLUMNS + LANES);
        a2.intoArray(totals, to + 2 * COLUMNS);
        b2.intoArray(totals, to + 2 * COLUMNS + LANES);
        a3.intoArray(totals, to + 3 * COLUMNS);
        b3.intoArray(totals, to + 3 * COLUMNS + LANES);
    }

    /** {@code totals[r][c] += sum over k < COLUMNS of x[r][k] * panel[k][c]} for 4 {@code groups} rows of x, COLUMNS floats each. */
    static void apart(float[] x, int xo, int groups, float[] panel, int po, float[] totals, int to) {
        for (int group = 0; group < groups; group++) {
            for (int column = 0; column < COLUMNS; column += PAIR) {
                int rows = group * GROUP * COLUMNS;
                apartTile(x, xo + rows, panel, po + column, totals, to + rows + column);
            }
        }
    }

    private static void apartTile(float[] x, int xo, float[] panel, int po, float[] totals, int to) {
        FloatVector a0 = FloatVector.fromArray(F, totals, to);
        FloatVector b0 = FloatVector.fromArray(F, totals, to + LANES);
        FloatVector a1 = FloatVector.fromArray(F, totals, to + COLUMNS);
        FloatVector b1 = FloatVector.fromArray(F, totals, to + COLUMNS + LANES);
        FloatVector a2 = FloatVector.fromArray(F, totals, to + 2 * COLUMNS);
        FloatVector b2 = FloatVector.fromArray(F, totals, to + 2 * COLUMNS + LANES);
        FloatVector a3 = FloatVector.fromArray(F, totals, to + 3 * COLUMNS);
        FloatVector b3 = FloatVector.fromArray(F, totals, to + 3 * COLUMNS + LANES);
        for (int i = 0; i < COLUMNS; i++) {
            FloatVector p = FloatVector.fromArray(F, panel, po);
            FloatVector q = FloatVector.fromArray(F, panel, po + LANES);
            FloatVector v = FloatVector.broadcast(F, x[xo]);
            a0 = v.fma(p, a0);
            b0 = v.fma(q, b0);
            v = FloatVector.broadcast(F, x[xo + COLUMNS]);
            a1 = v.fma(p, a1);
            b1 = v.fma(q, b1);
            v = FloatVector.broadcast(F, x[xo + 2 * COLUMNS]);
            a2 = v.fma(p, a2);
            b2 = v.fma(q, b2);
            v = FloatVector.broadcast(F, x[xo + 3 * COLUMNS]);
            a3 = v.fma(p, a3);
            b3 = v.fma(q, b3);
            po += COLUMNS;
            xo++;
        }
        a0.intoArray(totals, to);
        b0.intoArray(totals, to + LANES);
        a1.intoArray(totals, to + COLUMNS);
        b1.intoArray(totals, to + COLUMNS + LANES);
        a2.intoArray(totals, to + 2 * COLUMNS);
        b2.intoArray(totals, to + 2 * COLUMNS + LANES);
        a3.intoArray(totals, to + 3 * COLUMNS);
        b3.intoArray(totals, to + 3 * COLUMNS + LANES);
    }

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
