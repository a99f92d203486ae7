package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;
import static jdk.incubator.vector.VectorOperators.LSHR;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link FourBitLanes} at one width. A code's value comes from a table in registers: 16 lanes look it up with one permute; 8
 * lanes look it up in both halves of the table and let bit 3 choose; 4 lanes in its quarters. Look-ups wrap their index.
 *
 * <p>What the compiler needs: helpers of at most 35 bytes of code, which it always inlines, since a vector handed to a method
 * that is not inlined goes to the heap; and the loop over a word's codes not counted, since unrolling it spills registers.
 */
final class FourBitVectors implements FourBitLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, F.vectorShape());
    private static final int LANES = F.length();
    private static final int VECTOR = LANES * Float.BYTES;
    private static final int TILE = 4 * VECTOR;

    @Override
    public void row(Floats x, long tile, int segments, int segment, CodeTable table, float[] sums, Floats total) {
        float[] inputs = x.values();
        int[] values = table.values();
        for (int s = 0; s < segments; s++) {
            int k = s * segment;
            long codes = tile + TILE;
            switch (LANES) {
                case 16 -> wholes(inputs, k, codes, segment, values, sums, 0);
                case 8 -> {
                    halves(inputs, k, codes, segment, values, sums, 0);
                    halves(inputs, k, codes + 2 * VECTOR, segment, values, sums, 2 * LANES);
                }
                default -> {
                    for (int i = 0; i < 4; i++) {
                        quarters(inputs, k, codes + (long) i * VECTOR, segment, values, sums, i * LANES);
                    }
                }
            }
            fold(sums, tile, total.values());
            tile = codes + (long) (TILE / 8) * segment;
        }
    }

    /** 16 lanes: a look-up is one permute, so four chains are needed to hide the latency of fma. */
    private static void wholes(float[] x, int k, long codes, int segment, int[] table, float[] sums, int to) {
        IntVector t0 = part(table, 0);
        FloatVector a0 = FloatVector.zero(F);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int end = k + segment; k < end; k += 8) {
            IntVector v0 = IntVector.fromMemorySegment(I, ALL, codes, LE);
            IntVector v1 = IntVector.fromMemorySegment(I, ALL, codes + VECTOR, LE);
            IntVector v2 = IntVector.fromMemorySegment(I, ALL, codes + 2 * VECTOR, LE);
            IntVector v3 = IntVector.fromMemorySegment(I, ALL, codes + 3 * VECTOR, LE);
            int at = k;
            for (int left = 0xff; left != 0; left >>= 1) {
                FloatVector xv = FloatVector.broadcast(F, x[at++]);
                a0 = v0.selectFrom(t0).reinterpretAsFloats().fma(xv, a0);
                a1 = v1.selectFrom(t0).reinterpretAsFloats().fma(xv, a1);
                a2 = v2.selectFrom(t0).reinterpretAsFloats().fma(xv, a2);
                a3 = v3.selectFrom(t0).reinterpretAsFloats().fma(xv, a3);
                v0 = v0.lanewise(LSHR, 4);
                v1 = v1.lanewise(LSHR, 4);
                v2 = v2.lanewise(LSHR, 4);
                v3 = v3.lanewise(LSHR, 4);
            }
            codes += TILE;
        }
        a0.intoArray(sums, to);
        a1.intoArray(sums, to + LANES);
        a2.intoArray(sums, to + 2 * LANES);
        a3.intoArray(sums, to + 3 * LANES);
    }

    /** 8 lanes: the look-ups take longer than two chains wait. */
    private static void halves(float[] x, int k, long codes, int segment, int[] table, float[] sums, int to) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        FloatVector a0 = FloatVector.zero(F);
        FloatVector a1 = a0;
        for (int end = k + segment; k < end; k += 8) {
            IntVector v0 = IntVector.fromMemorySegment(I, ALL, codes, LE);
            IntVector v1 = IntVector.fromMemorySegment(I, ALL, codes + VECTOR, LE);
            int at = k;
            for (int left = 0xff; left != 0; left >>= 1) {
                FloatVector xv = FloatVector.broadcast(F, x[at++]);
                a0 = CodeLookup.half(v0, t0, t1).fma(xv, a0);
                a1 = CodeLookup.half(v1, t0, t1).fma(xv, a1);
                v0 = v0.lanewise(LSHR, 4);
                v1 = v1.lanewise(LSHR, 4);
            }
            codes += TILE;
        }
        a0.intoArray(sums, to);
        a1.intoArray(sums, to + LANES);
    }

    /** 4 lanes. */
    private static void quarters(float[] x, int k, long codes, int segment, int[] table, float[] sums, int to) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        IntVector t2 = part(table, 2);
        IntVector t3 = part(table, 3);
        FloatVector a0 = FloatVector.zero(F);
        for (int end = k + segment; k < end; k += 8) {
            IntVector v0 = IntVector.fromMemorySegment(I, ALL, codes, LE);
            int at = k;
            for (int left = 0xff; left != 0; left >>= 1) {
                FloatVector xv = FloatVector.broadcast(F, x[at++]);
                a0 = CodeLookup.quarter(v0, t0, t1, t2, t3).fma(xv, a0);
                v0 = v0.lanewise(LSHR, 4);
            }
            codes += TILE;
        }
        a0.intoArray(sums, to);
    }

    /** {@code total += acc * scale}, one rounding. */
    private static void fold(float[] sums, long scale, float[] total) {
        for (int i = 0; i < 4 * LANES; i += LANES) {
            FloatVector.fromArray(F, sums, i)
                    .fma(FloatVector.fromMemorySegment(F, ALL, scale + 4L * i, LE), FloatVector.fromArray(F, total, i))
                    .intoArray(total, i);
        }
    }

    @Override
    public void panel(long tile, int segments, int segment, CodeTable table, Floats panel, Floats scales) {
        int octets = segment / 8;
        for (int s = 0; s < segments; s++) {
            for (int column = 0; column < 4; column++) {
                FloatVector.fromMemorySegment(F, ALL, tile + (long) column * VECTOR, LE)
                        .intoArray(scales.values(), (4 * s + column) * LANES);
            }
            tile += TILE;
            int to = s * segment * 4 * LANES;
            switch (LANES) {
                case 16 -> panelOfWholes(tile, octets, table.values(), panel.values(), to);
                case 8 -> panelOfHalves(tile, octets, table.values(), panel.values(), to);
                default -> panelOfQuarters(tile, octets, table.values(), panel.values(), to);
            }
            tile += (long) octets * TILE;
        }
    }

    private static void panelOfWholes(long codes, int octets, int[] table, float[] panel, int to) {
        IntVector t0 = part(table, 0);
        for (int octet = 0; octet < octets; octet++) {
            for (int column = 0; column < 4 * LANES; column += LANES) {
                IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
                int at = to + column;
                for (int left = 0xff; left != 0; left >>= 1) {
                    v.selectFrom(t0).reinterpretAsFloats().intoArray(panel, at);
                    v = v.lanewise(LSHR, 4);
                    at += 4 * LANES;
                }
                codes += VECTOR;
            }
            to += 32 * LANES;
        }
    }

    private static void panelOfHalves(long codes, int octets, int[] table, float[] panel, int to) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        for (int octet = 0; octet < octets; octet++) {
            for (int column = 0; column < 4 * LANES; column += LANES) {
                IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
                int at = to + column;
                for (int left = 0xff; left != 0; left >>= 1) {
                    CodeLookup.half(v, t0, t1).intoArray(panel, at);
                    v = v.lanewise(LSHR, 4);
                    at += 4 * LANES;
                }
                codes += VECTOR;
            }
            to += 32 * LANES;
        }
    }

    private static void panelOfQuarters(long codes, int octets, int[] table, float[] panel, int to) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        IntVector t2 = part(table, 2);
        IntVector t3 = part(table, 3);
        for (int octet = 0; octet < octets; octet++) {
            for (int column = 0; column < 4 * LANES; column += LANES) {
                IntVector v = IntVector.fromMemorySegment(I, ALL, codes, LE);
                int at = to + column;
                for (int left = 0xff; left != 0; left >>= 1) {
                    CodeLookup.quarter(v, t0, t1, t2, t3).intoArray(panel, at);
                    v = v.lanewise(LSHR, 4);
                    at += 4 * LANES;
                }
                codes += VECTOR;
            }
            to += 32 * LANES;
        }
    }

    @Override
    public void turned(
            int[] turned,
            long scales,
            int segmentBytes,
            int first,
            int perSegment,
            int vectors,
            CodeTable table,
            float[] panel,
            int to) {
        for (int v = 0; v < vectors; v++) {
            long scale = scales + (long) ((first + v) / perSegment) * segmentBytes;
            for (int octet = 0; octet < LANES / 2; octet++) {
                IntVector codes = IntVector.fromArray(I, turned, (4 * octet * LANES) + v * LANES);
                int at = to + (32 * octet + v) * LANES;
                switch (LANES) {
                    case 16 -> wholeRows(codes, scale + 32L * octet, table.values(), panel, at);
                    case 8 -> halfRows(codes, scale + 32L * octet, table.values(), panel, at);
                    default -> quarterRows(codes, scale + 32L * octet, table.values(), panel, at);
                }
            }
        }
    }

    private static void wholeRows(IntVector codes, long scale, int[] table, float[] panel, int at) {
        IntVector t0 = part(table, 0);
        IntVector v = codes;
        for (int left = 0xff; left != 0; left >>= 1) {
            v.selectFrom(t0).reinterpretAsFloats().mul(Raw.f32(scale)).intoArray(panel, at);
            v = v.lanewise(LSHR, 4);
            at += 4 * LANES;
            scale += 4;
        }
    }

    private static void halfRows(IntVector codes, long scale, int[] table, float[] panel, int at) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        IntVector v = codes;
        for (int left = 0xff; left != 0; left >>= 1) {
            CodeLookup.half(v, t0, t1).mul(Raw.f32(scale)).intoArray(panel, at);
            v = v.lanewise(LSHR, 4);
            at += 4 * LANES;
            scale += 4;
        }
    }

    private static void quarterRows(IntVector codes, long scale, int[] table, float[] panel, int at) {
        IntVector t0 = part(table, 0);
        IntVector t1 = part(table, 1);
        IntVector t2 = part(table, 2);
        IntVector t3 = part(table, 3);
        IntVector v = codes;
        for (int left = 0xff; left != 0; left >>= 1) {
            CodeLookup.quarter(v, t0, t1, t2, t3).mul(Raw.f32(scale)).intoArray(panel, at);
            v = v.lanewise(LSHR, 4);
            at += 4 * LANES;
            scale += 4;
        }
    }

    /** Part of the table as a register: with 16 lanes all of it. */
    private static IntVector part(int[] table, int index) {
        return IntVector.fromArray(I, table, index * LANES);
    }
}
