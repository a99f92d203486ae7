package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link PanelLanes} at one width. The register tile of four rows by two vectors has the eight chains that hide the latency of
 * fma on two pipes, and leaves half of sixteen registers for what the compiler hoists; with x packed it reaches 95 % of the
 * machine's peak, where six rows, or rows apart, spill.
 */
final class PanelVectors implements PanelLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final int LANES = F.length();
    private static final int TILE = 4 * LANES;
    private static final int GROUP = 4;

    @Override
    public int group() {
        return GROUP;
    }

    @Override
    public boolean octets(int columns) {
        return false;
    }

    @Override
    public void finish(PanelProduct p, int rows, long out, long outRow) {
        multiply(p, RowGroups.count(rows, GROUP));
        for (int row = 0; row < rows; row++) {
            store(p.totals.values(), row * TILE, TILE, 0, out + row * outRow);
        }
    }

    @Override
    public void multiply(PanelProduct p, int groups) {
        float[] xs = p.x.values();
        float[] ps = p.panel.values();
        float[] ss = p.scales.values();
        float[] ts = p.totals.values();
        int segment = p.segment;
        for (int group = 0; group < groups; group++) {
            int columns = LANES == 16 ? TILE : 2 * LANES;
            for (int column = 0; column < TILE; column += columns) {
                int at = p.xFrom + group * p.stride;
                int panelAt = p.panelFrom + column;
                int to = group * GROUP * TILE + column;
                for (int s = 0; s < p.segments; s++) {
                    if (LANES == 16) {
                        wide(xs, at, ps, panelAt, segment, ss, s * TILE, ts, to);
                    } else {
                        product(xs, at, ps, panelAt, segment, ss, s * TILE + column, ts, to);
                    }
                    at += segment * GROUP;
                    panelAt += segment * TILE;
                }
            }
        }
    }

    /** {@code totals [rows][2 vectors] += scale * (x times two vectors of the panel)}: one chain over the segment, one fold. */
    private static void product(
            float[] x, int xo, float[] panel, int po, int segment, float[] scales, int so, float[] totals, int to) {
        FloatVector a0 = FloatVector.zero(F);
        FloatVector b0 = a0;
        FloatVector a1 = a0;
        FloatVector b1 = a0;
        FloatVector a2 = a0;
        FloatVector b2 = a0;
        FloatVector a3 = a0;
        FloatVector b3 = a0;
        for (int k = 0; k < segment; k++) {
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
            po += TILE;
            xo += GROUP;
        }
        FloatVector s0 = FloatVector.fromArray(F, scales, so);
        FloatVector s1 = FloatVector.fromArray(F, scales, so + LANES);
        a0.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b0.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        to += TILE;
        a1.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b1.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        to += TILE;
        a2.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b2.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        to += TILE;
        a3.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b3.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
    }

    /** As {@link #product} with four vectors of the panel: 16 lanes come with 32 registers. */
    private static void wide(
            float[] x, int xo, float[] panel, int po, int segment, float[] scales, int so, float[] totals, int to) {
        FloatVector a0 = FloatVector.zero(F);
        FloatVector b0 = a0;
        FloatVector c0 = a0;
        FloatVector d0 = a0;
        FloatVector a1 = a0;
        FloatVector b1 = a0;
        FloatVector c1 = a0;
        FloatVector d1 = a0;
        FloatVector a2 = a0;
        FloatVector b2 = a0;
        FloatVector c2 = a0;
        FloatVector d2 = a0;
        FloatVector a3 = a0;
        FloatVector b3 = a0;
        FloatVector c3 = a0;
        FloatVector d3 = a0;
        for (int k = 0; k < segment; k++) {
            FloatVector p = FloatVector.fromArray(F, panel, po);
            FloatVector q = FloatVector.fromArray(F, panel, po + LANES);
            FloatVector r = FloatVector.fromArray(F, panel, po + 2 * LANES);
            FloatVector s = FloatVector.fromArray(F, panel, po + 3 * LANES);
            FloatVector v = FloatVector.broadcast(F, x[xo]);
            a0 = v.fma(p, a0);
            b0 = v.fma(q, b0);
            c0 = v.fma(r, c0);
            d0 = v.fma(s, d0);
            v = FloatVector.broadcast(F, x[xo + 1]);
            a1 = v.fma(p, a1);
            b1 = v.fma(q, b1);
            c1 = v.fma(r, c1);
            d1 = v.fma(s, d1);
            v = FloatVector.broadcast(F, x[xo + 2]);
            a2 = v.fma(p, a2);
            b2 = v.fma(q, b2);
            c2 = v.fma(r, c2);
            d2 = v.fma(s, d2);
            v = FloatVector.broadcast(F, x[xo + 3]);
            a3 = v.fma(p, a3);
            b3 = v.fma(q, b3);
            c3 = v.fma(r, c3);
            d3 = v.fma(s, d3);
            po += TILE;
            xo += GROUP;
        }
        FloatVector s0 = FloatVector.fromArray(F, scales, so);
        FloatVector s1 = FloatVector.fromArray(F, scales, so + LANES);
        FloatVector s2 = FloatVector.fromArray(F, scales, so + 2 * LANES);
        FloatVector s3 = FloatVector.fromArray(F, scales, so + 3 * LANES);
        a0.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b0.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        c0.fma(s2, FloatVector.fromArray(F, totals, to + 2 * LANES)).intoArray(totals, to + 2 * LANES);
        d0.fma(s3, FloatVector.fromArray(F, totals, to + 3 * LANES)).intoArray(totals, to + 3 * LANES);
        to += TILE;
        a1.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b1.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        c1.fma(s2, FloatVector.fromArray(F, totals, to + 2 * LANES)).intoArray(totals, to + 2 * LANES);
        d1.fma(s3, FloatVector.fromArray(F, totals, to + 3 * LANES)).intoArray(totals, to + 3 * LANES);
        to += TILE;
        a2.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b2.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        c2.fma(s2, FloatVector.fromArray(F, totals, to + 2 * LANES)).intoArray(totals, to + 2 * LANES);
        d2.fma(s3, FloatVector.fromArray(F, totals, to + 3 * LANES)).intoArray(totals, to + 3 * LANES);
        to += TILE;
        a3.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b3.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        c3.fma(s2, FloatVector.fromArray(F, totals, to + 2 * LANES)).intoArray(totals, to + 2 * LANES);
        d3.fma(s3, FloatVector.fromArray(F, totals, to + 3 * LANES)).intoArray(totals, to + 3 * LANES);
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
}
