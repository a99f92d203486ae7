package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.XOR;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link FourBitLanes} at one width. A code's value comes from a table in registers: 16 lanes look it up with one permute; 8
 * lanes look it up in both halves of the table and let bit 3 choose; 4 lanes in its quarters.
 */
final class FourBitVectors implements FourBitLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, F.vectorShape());
    private static final int LANES = F.length();
    private static final int VECTOR = LANES * Float.BYTES;
    private static final int TILE = 4 * VECTOR;

    @Override
    public void row(float[] x, long tile, int segments, int segment, int[] table, float[] total) {
        if (LANES == 16) {
            four(x, tile, segments, segment, table, total, 0);
        } else {
            two(x, tile, segments, segment, table, total, 0);
            two(x, tile + 2 * VECTOR, segments, segment, table, total, 2 * LANES);
        }
    }

    /** Two vectors of rows: as many chains as look-ups in 8 or 4 lanes leave time for. */
    private static void two(float[] x, long tile, int segments, int segment, int[] table, float[] total, int to) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        IntVector t2 = part(table, 2);
        IntVector t3 = part(table, 3);
        int k = 0;
        for (int s = 0; s < segments; s++) {
            long codes = tile + TILE;
            FloatVector a0 = FloatVector.zero(F);
            FloatVector a1 = a0;
            for (int end = k + segment; k < end; k += 8) {
                IntVector v0 = IntVector.fromMemorySegment(I, ALL, codes, LE);
                IntVector v1 = IntVector.fromMemorySegment(I, ALL, codes + VECTOR, LE);
                for (int t = 0; t < 8; t++) {
                    FloatVector xv = FloatVector.broadcast(F, x[k + t]);
                    a0 = value(v0, t0, t1, t2, t3).fma(xv, a0);
                    a1 = value(v1, t0, t1, t2, t3).fma(xv, a1);
                    v0 = v0.lanewise(LSHR, 4);
                    v1 = v1.lanewise(LSHR, 4);
                }
                codes += TILE;
            }
            fold(a0, tile, total, to);
            fold(a1, tile + VECTOR, total, to + LANES);
            tile += TILE + (long) (TILE / 8) * segment;
        }
    }

    /** Four vectors of rows: a look-up is one permute there, so four chains are needed to hide the latency of fma. */
    private static void four(float[] x, long tile, int segments, int segment, int[] table, float[] total, int to) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        IntVector t2 = part(table, 2);
        IntVector t3 = part(table, 3);
        int k = 0;
        for (int s = 0; s < segments; s++) {
            long codes = tile + TILE;
            FloatVector a0 = FloatVector.zero(F);
            FloatVector a1 = a0;
            FloatVector a2 = a0;
            FloatVector a3 = a0;
            for (int end = k + segment; k < end; k += 8) {
                IntVector v0 = IntVector.fromMemorySegment(I, ALL, codes, LE);
                IntVector v1 = IntVector.fromMemorySegment(I, ALL, codes + VECTOR, LE);
                IntVector v2 = IntVector.fromMemorySegment(I, ALL, codes + 2 * VECTOR, LE);
                IntVector v3 = IntVector.fromMemorySegment(I, ALL, codes + 3 * VECTOR, LE);
                for (int t = 0; t < 8; t++) {
                    FloatVector xv = FloatVector.broadcast(F, x[k + t]);
                    a0 = value(v0, t0, t1, t2, t3).fma(xv, a0);
                    a1 = value(v1, t0, t1, t2, t3).fma(xv, a1);
                    a2 = value(v2, t0, t1, t2, t3).fma(xv, a2);
                    a3 = value(v3, t0, t1, t2, t3).fma(xv, a3);
                    v0 = v0.lanewise(LSHR, 4);
                    v1 = v1.lanewise(LSHR, 4);
                    v2 = v2.lanewise(LSHR, 4);
                    v3 = v3.lanewise(LSHR, 4);
                }
                codes += TILE;
            }
            fold(a0, tile, total, to);
            fold(a1, tile + VECTOR, total, to + LANES);
            fold(a2, tile + 2 * VECTOR, total, to + 2 * LANES);
            fold(a3, tile + 3 * VECTOR, total, to + 3 * LANES);
            tile += TILE + (long) (TILE / 8) * segment;
        }
    }

    /** {@code total += acc * scale}, one rounding. */
    private static void fold(FloatVector acc, long scale, float[] total, int to) {
        acc.fma(FloatVector.fromMemorySegment(F, ALL, scale, LE), FloatVector.fromArray(F, total, to))
                .intoArray(total, to);
    }

    @Override
    public void panel(long tile, int segments, int segment, int[] table, float[] panel, float[] scales) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        IntVector t2 = part(table, 2);
        IntVector t3 = part(table, 3);
        int to = 0;
        for (int s = 0; s < segments; s++) {
            for (int column = 0; column < 4; column++) {
                FloatVector.fromMemorySegment(F, ALL, tile + (long) column * VECTOR, LE)
                        .intoArray(scales, (4 * s + column) * LANES);
            }
            tile += TILE;
            for (int octet = 0; octet < segment; octet += 8) {
                for (int column = 0; column < 4; column++) {
                    IntVector v = IntVector.fromMemorySegment(I, ALL, tile + (long) column * VECTOR, LE);
                    for (int t = 0; t < 8; t++) {
                        value(v, t0, t1, t2, t3).intoArray(panel, to + (4 * t + column) * LANES);
                        v = v.lanewise(LSHR, 4);
                    }
                }
                tile += TILE;
                to += 32 * LANES;
            }
        }
    }

    /**
     * The registers that hold the table. 16 lanes: all of it. 8 lanes: the half of the low codes, then both halves xor-ed.
     * 4 lanes: of its quarters a, b, c, d the first, a^b, a^c, a^b^c^d.
     */
    private static IntVector part(int[] table, int index) {
        IntVector a = IntVector.fromArray(I, table, 0);
        if (LANES == 16) {
            return a;
        }
        IntVector b = IntVector.fromArray(I, table, LANES);
        if (LANES == 8) {
            return index == 0 ? a : a.lanewise(XOR, b);
        }
        IntVector c = IntVector.fromArray(I, table, 2 * LANES);
        IntVector d = IntVector.fromArray(I, table, 3 * LANES);
        return switch (index) {
            case 0 -> a;
            case 1 -> a.lanewise(XOR, b);
            case 2 -> a.lanewise(XOR, c);
            default -> a.lanewise(XOR, b).lanewise(XOR, c).lanewise(XOR, d);
        };
    }

    /** The table's values for the low nibbles of {@code v}; a look-up wraps its index to the lanes. */
    private static FloatVector value(IntVector v, IntVector t0, IntVector t1, IntVector t2, IntVector t3) {
        if (LANES == 16) {
            return v.selectFrom(t0).reinterpretAsFloats();
        }
        IntVector bit3 = v.lanewise(LSHL, 28).lanewise(ASHR, 31);
        if (LANES == 8) {
            return v.selectFrom(t0).lanewise(XOR, v.selectFrom(t1).and(bit3)).reinterpretAsFloats();
        }
        IntVector bit2 = v.lanewise(LSHL, 29).lanewise(ASHR, 31);
        IntVector low = v.selectFrom(t0).lanewise(XOR, v.selectFrom(t1).and(bit2));
        IntVector high = v.selectFrom(t2).lanewise(XOR, v.selectFrom(t3).and(bit2));
        return low.lanewise(XOR, high.and(bit3)).reinterpretAsFloats();
    }
}
