package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link PanelLanes} at one width: register tiles of six rows by two vectors, twelve chains, which is what sixteen registers
 * hold beside the panel's two vectors and one broadcast; fewer rows at the end.
 */
final class PanelVectors implements PanelLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final int LANES = F.length();
    private static final int TILE = 4 * LANES;

    @Override
    public void multiply(
            float[] x,
            int xo,
            int ld,
            int rows,
            float[] panel,
            int po,
            int segments,
            int segment,
            float[] scales,
            int so,
            float[] totals,
            int to) {
        int row = 0;
        while (row < rows) {
            int left = rows - row;
            int take = left >= 9 || left == 6 || left == 7 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            for (int column = 0; column < TILE; column += 2 * LANES) {
                int at = to + row * TILE + column;
                int from = xo + row * ld;
                switch (take) {
                    case 6 -> six(x, from, ld, panel, po + column, segments, segment, scales, so + column, totals, at);
                    case 4 -> four(x, from, ld, panel, po + column, segments, segment, scales, so + column, totals, at);
                    case 2 -> two(x, from, ld, panel, po + column, segments, segment, scales, so + column, totals, at);
                    default -> one(x, from, panel, po + column, segments, segment, scales, so + column, totals, at);
                }
            }
            row += take;
        }
    }

    private static void six(
            float[] x,
            int xo,
            int ld,
            float[] panel,
            int po,
            int segments,
            int segment,
            float[] scales,
            int so,
            float[] totals,
            int to) {
        int x1 = xo + ld;
        int x2 = x1 + ld;
        int x3 = x2 + ld;
        int x4 = x3 + ld;
        int x5 = x4 + ld;
        for (int s = 0, k = 0; s < segments; s++) {
            FloatVector a0 = FloatVector.zero(F);
            FloatVector b0 = a0;
            FloatVector a1 = a0;
            FloatVector b1 = a0;
            FloatVector a2 = a0;
            FloatVector b2 = a0;
            FloatVector a3 = a0;
            FloatVector b3 = a0;
            FloatVector a4 = a0;
            FloatVector b4 = a0;
            FloatVector a5 = a0;
            FloatVector b5 = a0;
            for (int end = k + segment; k < end; k++) {
                FloatVector p = FloatVector.fromArray(F, panel, po);
                FloatVector q = FloatVector.fromArray(F, panel, po + LANES);
                FloatVector v = FloatVector.broadcast(F, x[xo + k]);
                a0 = v.fma(p, a0);
                b0 = v.fma(q, b0);
                v = FloatVector.broadcast(F, x[x1 + k]);
                a1 = v.fma(p, a1);
                b1 = v.fma(q, b1);
                v = FloatVector.broadcast(F, x[x2 + k]);
                a2 = v.fma(p, a2);
                b2 = v.fma(q, b2);
                v = FloatVector.broadcast(F, x[x3 + k]);
                a3 = v.fma(p, a3);
                b3 = v.fma(q, b3);
                v = FloatVector.broadcast(F, x[x4 + k]);
                a4 = v.fma(p, a4);
                b4 = v.fma(q, b4);
                v = FloatVector.broadcast(F, x[x5 + k]);
                a5 = v.fma(p, a5);
                b5 = v.fma(q, b5);
                po += TILE;
            }
            fold(a0, b0, scales, so, totals, to);
            fold(a1, b1, scales, so, totals, to + 1 * TILE);
            fold(a2, b2, scales, so, totals, to + 2 * TILE);
            fold(a3, b3, scales, so, totals, to + 3 * TILE);
            fold(a4, b4, scales, so, totals, to + 4 * TILE);
            fold(a5, b5, scales, so, totals, to + 5 * TILE);
            so += TILE;
        }
    }

    private static void four(
            float[] x,
            int xo,
            int ld,
            float[] panel,
            int po,
            int segments,
            int segment,
            float[] scales,
            int so,
            float[] totals,
            int to) {
        int x1 = xo + ld;
        int x2 = x1 + ld;
        int x3 = x2 + ld;
        for (int s = 0, k = 0; s < segments; s++) {
            FloatVector a0 = FloatVector.zero(F);
            FloatVector b0 = a0;
            FloatVector a1 = a0;
            FloatVector b1 = a0;
            FloatVector a2 = a0;
            FloatVector b2 = a0;
            FloatVector a3 = a0;
            FloatVector b3 = a0;
            for (int end = k + segment; k < end; k++) {
                FloatVector p = FloatVector.fromArray(F, panel, po);
                FloatVector q = FloatVector.fromArray(F, panel, po + LANES);
                FloatVector v = FloatVector.broadcast(F, x[xo + k]);
                a0 = v.fma(p, a0);
                b0 = v.fma(q, b0);
                v = FloatVector.broadcast(F, x[x1 + k]);
                a1 = v.fma(p, a1);
                b1 = v.fma(q, b1);
                v = FloatVector.broadcast(F, x[x2 + k]);
                a2 = v.fma(p, a2);
                b2 = v.fma(q, b2);
                v = FloatVector.broadcast(F, x[x3 + k]);
                a3 = v.fma(p, a3);
                b3 = v.fma(q, b3);
                po += TILE;
            }
            fold(a0, b0, scales, so, totals, to);
            fold(a1, b1, scales, so, totals, to + 1 * TILE);
            fold(a2, b2, scales, so, totals, to + 2 * TILE);
            fold(a3, b3, scales, so, totals, to + 3 * TILE);
            so += TILE;
        }
    }

    private static void two(
            float[] x,
            int xo,
            int ld,
            float[] panel,
            int po,
            int segments,
            int segment,
            float[] scales,
            int so,
            float[] totals,
            int to) {
        int x1 = xo + ld;
        for (int s = 0, k = 0; s < segments; s++) {
            FloatVector a0 = FloatVector.zero(F);
            FloatVector b0 = a0;
            FloatVector a1 = a0;
            FloatVector b1 = a0;
            for (int end = k + segment; k < end; k++) {
                FloatVector p = FloatVector.fromArray(F, panel, po);
                FloatVector q = FloatVector.fromArray(F, panel, po + LANES);
                FloatVector v = FloatVector.broadcast(F, x[xo + k]);
                a0 = v.fma(p, a0);
                b0 = v.fma(q, b0);
                v = FloatVector.broadcast(F, x[x1 + k]);
                a1 = v.fma(p, a1);
                b1 = v.fma(q, b1);
                po += TILE;
            }
            fold(a0, b0, scales, so, totals, to);
            fold(a1, b1, scales, so, totals, to + 1 * TILE);
            so += TILE;
        }
    }

    private static void one(
            float[] x,
            int xo,
            float[] panel,
            int po,
            int segments,
            int segment,
            float[] scales,
            int so,
            float[] totals,
            int to) {
        for (int s = 0, k = 0; s < segments; s++) {
            FloatVector a0 = FloatVector.zero(F);
            FloatVector b0 = a0;
            for (int end = k + segment; k < end; k++) {
                FloatVector p = FloatVector.fromArray(F, panel, po);
                FloatVector q = FloatVector.fromArray(F, panel, po + LANES);
                FloatVector v = FloatVector.broadcast(F, x[xo + k]);
                a0 = v.fma(p, a0);
                b0 = v.fma(q, b0);
                po += TILE;
            }
            fold(a0, b0, scales, so, totals, to);
            so += TILE;
        }
    }

    @Override
    public void store(float[] totals, int from, int count, long bias, long out) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            FloatVector v = FloatVector.fromArray(F, totals, from + i);
            if (bias != 0) {
                v = v.add(FloatVector.fromMemorySegment(F, ALL, bias + 4L * i, LE));
            }
            v.intoMemorySegment(ALL, out + 4L * i, LE);
        }
        for (; i < count; i++) {
            float v = totals[from + i];
            Raw.f32(out + 4L * i, bias == 0 ? v : v + Raw.f32(bias + 4L * i));
        }
    }

    /** {@code total += acc * scale}, one rounding. */
    private static void fold(FloatVector a, FloatVector b, float[] scales, int so, float[] totals, int to) {
        a.fma(FloatVector.fromArray(F, scales, so), FloatVector.fromArray(F, totals, to))
                .intoArray(totals, to);
        b.fma(FloatVector.fromArray(F, scales, so + LANES), FloatVector.fromArray(F, totals, to + LANES))
                .intoArray(totals, to + LANES);
    }
}
