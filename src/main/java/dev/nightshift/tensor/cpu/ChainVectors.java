package dev.nightshift.tensor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** {@link ChainLanes} in the Vector API, over arrays and written out, as {@link PanelVectors} is. */
final class ChainVectors implements ChainLanes {
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = F.length();
    private static final int PAIR = 2 * LANES;

    @Override
    public void packed(Floats x, int xo, int stride, int groups, Floats panel, int po, int k, Floats totals, int to) {
        for (int group = 0; group < groups; group++) {
            int row = to + group * GROUP * COLUMNS;
            for (int column = 0; column < COLUMNS; column += PAIR) {
                packedTile(
                        x.values(), xo + group * stride, panel.values(), po + column, k, totals.values(), row + column);
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

    @Override
    public void apart(Floats x, int xo, int groups, Floats panel, int po, Floats totals, int to) {
        for (int group = 0; group < groups; group++) {
            int rows = group * GROUP * COLUMNS;
            for (int column = 0; column < COLUMNS; column += PAIR) {
                apartTile(x.values(), xo + rows, panel.values(), po + column, totals.values(), to + rows + column);
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
}
