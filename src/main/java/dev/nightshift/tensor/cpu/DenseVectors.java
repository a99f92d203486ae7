package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.OR;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/** {@link DenseLanes} at one width. */
final class DenseVectors implements DenseLanes {
    private static final VectorSpecies<Float> F = Lanes.species(MethodHandles.lookup());
    private static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, F.vectorShape());
    private static final int LANES = F.length();
    private static final int VECTOR = LANES * Float.BYTES;
    private static final int TILE = 4 * VECTOR;
    private static final int HIGH_HALF = 0xffff0000;

    @Override
    public void bf16Row(float[] x, long tile, int columns, int segment, float[] total) {
        for (int k = 0; k < columns; k += segment) {
            FloatVector a0 = FloatVector.zero(F);
            FloatVector a1 = a0;
            FloatVector a2 = a0;
            FloatVector a3 = a0;
            int end = Math.min(k + segment, columns);
            int i = k;
            for (; i < end - 1; i += 2) {
                IntVector v0 = IntVector.fromMemorySegment(I, ALL, tile, LE);
                IntVector v1 = IntVector.fromMemorySegment(I, ALL, tile + VECTOR, LE);
                IntVector v2 = IntVector.fromMemorySegment(I, ALL, tile + 2 * VECTOR, LE);
                IntVector v3 = IntVector.fromMemorySegment(I, ALL, tile + 3 * VECTOR, LE);
                FloatVector xv = FloatVector.broadcast(F, x[i]);
                a0 = v0.lanewise(LSHL, 16).reinterpretAsFloats().fma(xv, a0);
                a1 = v1.lanewise(LSHL, 16).reinterpretAsFloats().fma(xv, a1);
                a2 = v2.lanewise(LSHL, 16).reinterpretAsFloats().fma(xv, a2);
                a3 = v3.lanewise(LSHL, 16).reinterpretAsFloats().fma(xv, a3);
                xv = FloatVector.broadcast(F, x[i + 1]);
                a0 = v0.and(HIGH_HALF).reinterpretAsFloats().fma(xv, a0);
                a1 = v1.and(HIGH_HALF).reinterpretAsFloats().fma(xv, a1);
                a2 = v2.and(HIGH_HALF).reinterpretAsFloats().fma(xv, a2);
                a3 = v3.and(HIGH_HALF).reinterpretAsFloats().fma(xv, a3);
                tile += TILE;
            }
            if (i < end) {
                FloatVector xv = FloatVector.broadcast(F, x[i]);
                a0 = low(tile).fma(xv, a0);
                a1 = low(tile + VECTOR).fma(xv, a1);
                a2 = low(tile + 2 * VECTOR).fma(xv, a2);
                a3 = low(tile + 3 * VECTOR).fma(xv, a3);
            }
            a0.add(FloatVector.fromArray(F, total, 0)).intoArray(total, 0);
            a1.add(FloatVector.fromArray(F, total, LANES)).intoArray(total, LANES);
            a2.add(FloatVector.fromArray(F, total, 2 * LANES)).intoArray(total, 2 * LANES);
            a3.add(FloatVector.fromArray(F, total, 3 * LANES)).intoArray(total, 3 * LANES);
        }
    }

    private static FloatVector low(long address) {
        return IntVector.fromMemorySegment(I, ALL, address, LE)
                .lanewise(LSHL, 16)
                .reinterpretAsFloats();
    }

    @Override
    public void bf16Panel(long tile, int columns, float[] panel) {
        for (int k = 0; k < columns; k += 2) {
            for (int column = 0; column < 4; column++) {
                IntVector v = IntVector.fromMemorySegment(I, ALL, tile + (long) column * VECTOR, LE);
                int to = (4 * k + column) * LANES;
                v.lanewise(LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
                v.and(HIGH_HALF).reinterpretAsFloats().intoArray(panel, to + 4 * LANES);
            }
            tile += TILE;
        }
    }

    @Override
    public void bf16Turned(long tile, int pairs, float[] panel, int to) {
        for (int pair = 0; pair < pairs; pair++) {
            bf16Pair(tile + (long) pair * TILE, panel, to + 2 * pair);
        }
    }

    /** Two columns: a store each; the target's lines stay in the cache from pair to pair. */
    private static void bf16Pair(long from, float[] panel, int to) {
        for (int r = 0; r < 4 * LANES; r++) {
            int word = Raw.i32(from + 4L * r);
            panel[to + r * 4 * LANES] = Float.intBitsToFloat(word << 16);
            panel[to + r * 4 * LANES + 1] = Float.intBitsToFloat(word & HIGH_HALF);
        }
    }

    @Override
    public void f16Panel(long tile, int columns, float[] panel) {
        for (int k = 0; k < columns; k += 2) {
            for (int column = 0; column < 4; column++) {
                IntVector v = IntVector.fromMemorySegment(I, ALL, tile + (long) column * VECTOR, LE);
                int to = (4 * k + column) * LANES;
                half(v).intoArray(panel, to);
                half(v.lanewise(LSHR, 16)).intoArray(panel, to + 4 * LANES);
            }
            tile += TILE;
        }
    }

    /**
     * Low halves from binary16: exponent and mantissa moved to their places in binary32, then the exponents' biases (15 and
     * 127) made equal by an exact product, which normalises subnormals too.
     */
    private static FloatVector half(IntVector v) {
        FloatVector magnitude =
                v.and(0x7fff).lanewise(LSHL, 13).reinterpretAsFloats().mul(0x1p112f);
        return v.and(0x8000)
                .lanewise(LSHL, 16)
                .lanewise(OR, magnitude.reinterpretAsInts())
                .reinterpretAsFloats();
    }
}
