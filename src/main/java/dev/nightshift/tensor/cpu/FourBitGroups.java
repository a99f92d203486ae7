package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;
import static jdk.incubator.vector.VectorOperators.LSHR;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link FourBitGroupLanes} at one width: a looked-up value is used for four rows of x before it is gone. 16 lanes come with 32
 * registers, enough for four rows by two vectors; narrower ones keep four rows by one vector.
 */
final class FourBitGroups implements FourBitGroupLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, F.vectorShape());
    private static final int LANES = F.length();
    private static final int VECTOR = LANES * Float.BYTES;
    private static final int TILE = 4 * VECTOR;
    private static final int ROW = 4 * LANES;

    @Override
    public int most() {
        return LANES == 16 ? 3 : 1;
    }

    @Override
    public void groups(
            Floats x, int columns, int groups, long tile, int segments, int segment, CodeTable table, Floats totals) {
        for (int group = 0; group < groups; group++) {
            int first = group * FourBitGroupLanes.GROUP;
            group(x.values(), first * columns, tile, segments, segment, table.values(), totals.values(), first * ROW);
        }
    }

    private static void group(
            float[] x, int xo, long tile, int segments, int segment, int[] table, float[] totals, int to) {
        for (int s = 0; s < segments; s++) {
            long codes = tile + TILE;
            switch (LANES) {
                case 16 -> {
                    wholes(x, xo, codes, segment, table, tile, totals, to);
                    wholes(x, xo, codes + 2 * VECTOR, segment, table, tile + 2 * VECTOR, totals, to + 2 * LANES);
                }
                case 8 -> {
                    for (int i = 0; i < 4; i++) {
                        long column = (long) i * VECTOR;
                        halves(x, xo, codes + column, segment, table, tile + column, totals, to + i * LANES);
                    }
                }
                default -> {
                    for (int i = 0; i < 4; i++) {
                        long column = (long) i * VECTOR;
                        quarters(x, xo, codes + column, segment, table, tile + column, totals, to + i * LANES);
                    }
                }
            }
            xo += segment * FourBitGroupLanes.GROUP;
            tile = codes + (long) (TILE / 8) * segment;
        }
    }
    /** 16 lanes: two vectors. */
    private static void wholes(
            float[] x, int xo, long codes, int segment, int[] table, long scale, float[] totals, int to) {
        IntVector t0 = IntVector.fromArray(I, table, 0);
        FloatVector a0 = FloatVector.zero(F);
        FloatVector b0 = a0;
        FloatVector a1 = a0;
        FloatVector b1 = a0;
        FloatVector a2 = a0;
        FloatVector b2 = a0;
        FloatVector a3 = a0;
        FloatVector b3 = a0;
        for (int end = xo + segment * FourBitGroupLanes.GROUP; xo < end; ) {
            IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
            IntVector u = IntVector.fromMemorySegment(I, ALL, codes + VECTOR, LE);
            for (int left = 0xff; left != 0; left >>= 1) {
                FloatVector p = v.selectFrom(t0).reinterpretAsFloats();
                FloatVector q = u.selectFrom(t0).reinterpretAsFloats();
                FloatVector w = FloatVector.broadcast(F, x[xo]);
                a0 = p.fma(w, a0);
                b0 = q.fma(w, b0);
                w = FloatVector.broadcast(F, x[xo + 1]);
                a1 = p.fma(w, a1);
                b1 = q.fma(w, b1);
                w = FloatVector.broadcast(F, x[xo + 2]);
                a2 = p.fma(w, a2);
                b2 = q.fma(w, b2);
                w = FloatVector.broadcast(F, x[xo + 3]);
                a3 = p.fma(w, a3);
                b3 = q.fma(w, b3);
                v = v.lanewise(LSHR, 4);
                u = u.lanewise(LSHR, 4);
                xo += FourBitGroupLanes.GROUP;
            }
            codes += TILE;
        }
        FloatVector s0 = FloatVector.fromMemorySegment(F, ALL, scale, LE);
        FloatVector s1 = FloatVector.fromMemorySegment(F, ALL, scale + VECTOR, LE);
        a0.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b0.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        to += ROW;
        a1.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b1.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        to += ROW;
        a2.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b2.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
        to += ROW;
        a3.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        b3.fma(s1, FloatVector.fromArray(F, totals, to + LANES)).intoArray(totals, to + LANES);
    }

    /** 8 lanes. */
    private static void halves(
            float[] x, int xo, long codes, int segment, int[] table, long scale, float[] totals, int to) {
        IntVector t0 = IntVector.fromArray(I, table, 0);
        IntVector t1 = IntVector.fromArray(I, table, LANES);
        FloatVector a0 = FloatVector.zero(F);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int end = xo + segment * FourBitGroupLanes.GROUP; xo < end; ) {
            IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
            for (int left = 0xff; left != 0; left >>= 1) {
                FloatVector p = CodeLookup.half(v, t0, t1);
                a0 = p.fma(FloatVector.broadcast(F, x[xo]), a0);
                a1 = p.fma(FloatVector.broadcast(F, x[xo + 1]), a1);
                a2 = p.fma(FloatVector.broadcast(F, x[xo + 2]), a2);
                a3 = p.fma(FloatVector.broadcast(F, x[xo + 3]), a3);
                v = v.lanewise(LSHR, 4);
                xo += FourBitGroupLanes.GROUP;
            }
            codes += TILE;
        }
        FloatVector s0 = FloatVector.fromMemorySegment(F, ALL, scale, LE);
        a0.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        to += ROW;
        a1.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        to += ROW;
        a2.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        to += ROW;
        a3.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
    }

    /** 4 lanes. */
    private static void quarters(
            float[] x, int xo, long codes, int segment, int[] table, long scale, float[] totals, int to) {
        IntVector t0 = IntVector.fromArray(I, table, 0);
        IntVector t1 = IntVector.fromArray(I, table, LANES);
        IntVector t2 = IntVector.fromArray(I, table, 2 * LANES);
        IntVector t3 = IntVector.fromArray(I, table, 3 * LANES);
        FloatVector a0 = FloatVector.zero(F);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int end = xo + segment * FourBitGroupLanes.GROUP; xo < end; ) {
            IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
            for (int left = 0xff; left != 0; left >>= 1) {
                FloatVector p = CodeLookup.quarter(v, t0, t1, t2, t3);
                a0 = p.fma(FloatVector.broadcast(F, x[xo]), a0);
                a1 = p.fma(FloatVector.broadcast(F, x[xo + 1]), a1);
                a2 = p.fma(FloatVector.broadcast(F, x[xo + 2]), a2);
                a3 = p.fma(FloatVector.broadcast(F, x[xo + 3]), a3);
                v = v.lanewise(LSHR, 4);
                xo += FourBitGroupLanes.GROUP;
            }
            codes += TILE;
        }
        FloatVector s0 = FloatVector.fromMemorySegment(F, ALL, scale, LE);
        a0.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        to += ROW;
        a1.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        to += ROW;
        a2.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
        to += ROW;
        a3.fma(s0, FloatVector.fromArray(F, totals, to)).intoArray(totals, to);
    }
}
