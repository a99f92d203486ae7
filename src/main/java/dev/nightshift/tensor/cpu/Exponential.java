package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * e^x in binary32, one sequence of operations for vectors and scalars, so that a value does not depend on its place: x = n ln 2
 * + r with |r| <= ln 2 / 2, then e^r by its series to r^7 (next term below 2^-27), then n into the exponent. The machine's own
 * vector functions differ between widths. Within 2 units in the last place; 0 below the smallest normal result.
 */
final class Exponential {
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    static final float LOG2_E = 1.44269504f;
    /** ln 2 in two parts; n times the first is exact, it ends in 11 zero bits. */
    static final float LN2_HIGH = 0x1.62ep-1f;

    static final float LN2_LOW = (float) (Math.log(2) - 0x1.62ep-1);
    /** Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. */
    static final float ROUND = 0x1.8p23f;

    static final float LOWEST = -87.33654f;
    private static final float HIGHEST = 88.02969f;
    static final float C7 = 1f / 5040;
    static final float C6 = 1f / 720;
    static final float C5 = 1f / 120;
    static final float C4 = 1f / 24;
    static final float C3 = 1f / 6;
    static final float C2 = 0.5f;

    private Exponential() {}

    static FloatVector of(FloatVector x) {
        FloatVector rounded = x.fma(x.broadcast(LOG2_E), x.broadcast(ROUND));
        FloatVector n = rounded.sub(ROUND);
        FloatVector r = n.fma(x.broadcast(-LN2_HIGH), x);
        r = n.fma(x.broadcast(-LN2_LOW), r);
        FloatVector e = r.fma(x.broadcast(C7), x.broadcast(C6));
        e = e.fma(r, x.broadcast(C5));
        e = e.fma(r, x.broadcast(C4));
        e = e.fma(r, x.broadcast(C3));
        e = e.fma(r, x.broadcast(C2));
        e = e.fma(r, x.broadcast(1f));
        e = e.fma(r, x.broadcast(1f));
        IntVector exponent = rounded.reinterpretAsInts().lanewise(LSHL, 23);
        FloatVector result = e.reinterpretAsInts().add(exponent).reinterpretAsFloats();
        result = result.blend(0f, x.compare(LT, LOWEST));
        return result.blend(Float.POSITIVE_INFINITY, x.compare(GT, HIGHEST));
    }

    /**
     * {@code x[i] = exp(x[i] - offset)} for {@code n} floats, an even number of vectors, as {@link #of(FloatVector)} has it.
     * Written out beyond the size that the compiler inlines: inside a method that already holds a product it would stop half-way
     * and leave vectors on the heap.
     */
    static void inPlace(long x, int n, float offset) {
        FloatVector shift = FloatVector.broadcast(F, offset);
        FloatVector scale = FloatVector.broadcast(F, LOG2_E);
        FloatVector round = FloatVector.broadcast(F, ROUND);
        FloatVector high = FloatVector.broadcast(F, -LN2_HIGH);
        FloatVector low = FloatVector.broadcast(F, -LN2_LOW);
        FloatVector one = FloatVector.broadcast(F, 1f);
        for (int i = 0; i < n; i += 2 * F.length()) {
            long at = x + 4L * i;
            FloatVector x0 = FloatVector.fromMemorySegment(F, ALL, at, LE).sub(shift);
            FloatVector x1 = FloatVector.fromMemorySegment(F, ALL, at + F.vectorByteSize(), LE)
                    .sub(shift);
            FloatVector n0 = x0.fma(scale, round).sub(round);
            FloatVector r0 = n0.fma(low, n0.fma(high, x0));
            FloatVector e0 = r0.fma(FloatVector.broadcast(F, C7), FloatVector.broadcast(F, C6));
            e0 = e0.fma(r0, FloatVector.broadcast(F, C5)).fma(r0, FloatVector.broadcast(F, C4));
            e0 = e0.fma(r0, FloatVector.broadcast(F, C3)).fma(r0, FloatVector.broadcast(F, C2));
            e0 = e0.fma(r0, one).fma(r0, one);
            IntVector i0 = n0.add(round).reinterpretAsInts().lanewise(LSHL, 23);
            e0 = e0.reinterpretAsInts().add(i0).reinterpretAsFloats();
            e0 = e0.blend(0f, x0.compare(LT, LOWEST));
            e0 = e0.blend(Float.POSITIVE_INFINITY, x0.compare(GT, HIGHEST));
            FloatVector n1 = x1.fma(scale, round).sub(round);
            FloatVector r1 = n1.fma(low, n1.fma(high, x1));
            FloatVector e1 = r1.fma(FloatVector.broadcast(F, C7), FloatVector.broadcast(F, C6));
            e1 = e1.fma(r1, FloatVector.broadcast(F, C5)).fma(r1, FloatVector.broadcast(F, C4));
            e1 = e1.fma(r1, FloatVector.broadcast(F, C3)).fma(r1, FloatVector.broadcast(F, C2));
            e1 = e1.fma(r1, one).fma(r1, one);
            IntVector i1 = n1.add(round).reinterpretAsInts().lanewise(LSHL, 23);
            e1 = e1.reinterpretAsInts().add(i1).reinterpretAsFloats();
            e1 = e1.blend(0f, x1.compare(LT, LOWEST));
            e1 = e1.blend(Float.POSITIVE_INFINITY, x1.compare(GT, HIGHEST));
            e0.intoMemorySegment(ALL, at, LE);
            e1.intoMemorySegment(ALL, at + F.vectorByteSize(), LE);
        }
    }

    /**
     * {@code x[from + row * stride + c] = exp(that - offsets[at + c])} for {@code rows} rows of two vectors of columns, and {@code
     * sums[at + c]} over them with what each addition lost (Kahan). Written out for the same reason.
     */
    static void inPlace(float[] x, int from, int rows, int stride, float[] offsets, float[] sums, int at) {
        FloatVector shift0 = FloatVector.fromArray(F, offsets, at);
        FloatVector shift1 = FloatVector.fromArray(F, offsets, at + F.length());
        FloatVector scale = FloatVector.broadcast(F, LOG2_E);
        FloatVector round = FloatVector.broadcast(F, ROUND);
        FloatVector high = FloatVector.broadcast(F, -LN2_HIGH);
        FloatVector low = FloatVector.broadcast(F, -LN2_LOW);
        FloatVector one = FloatVector.broadcast(F, 1f);
        FloatVector sum0 = FloatVector.zero(F);
        FloatVector lost0 = sum0;
        FloatVector sum1 = sum0;
        FloatVector lost1 = sum0;
        for (int row = 0; row < rows; row++) {
            FloatVector x0 = FloatVector.fromArray(F, x, from).sub(shift0);
            FloatVector x1 = FloatVector.fromArray(F, x, from + F.length()).sub(shift1);
            FloatVector n0 = x0.fma(scale, round).sub(round);
            FloatVector r0 = n0.fma(low, n0.fma(high, x0));
            FloatVector e0 = r0.fma(FloatVector.broadcast(F, C7), FloatVector.broadcast(F, C6));
            e0 = e0.fma(r0, FloatVector.broadcast(F, C5)).fma(r0, FloatVector.broadcast(F, C4));
            e0 = e0.fma(r0, FloatVector.broadcast(F, C3)).fma(r0, FloatVector.broadcast(F, C2));
            e0 = e0.fma(r0, one).fma(r0, one);
            IntVector i0 = n0.add(round).reinterpretAsInts().lanewise(LSHL, 23);
            e0 = e0.reinterpretAsInts().add(i0).reinterpretAsFloats();
            e0 = e0.blend(0f, x0.compare(LT, LOWEST));
            e0 = e0.blend(Float.POSITIVE_INFINITY, x0.compare(GT, HIGHEST));
            FloatVector n1 = x1.fma(scale, round).sub(round);
            FloatVector r1 = n1.fma(low, n1.fma(high, x1));
            FloatVector e1 = r1.fma(FloatVector.broadcast(F, C7), FloatVector.broadcast(F, C6));
            e1 = e1.fma(r1, FloatVector.broadcast(F, C5)).fma(r1, FloatVector.broadcast(F, C4));
            e1 = e1.fma(r1, FloatVector.broadcast(F, C3)).fma(r1, FloatVector.broadcast(F, C2));
            e1 = e1.fma(r1, one).fma(r1, one);
            IntVector i1 = n1.add(round).reinterpretAsInts().lanewise(LSHL, 23);
            e1 = e1.reinterpretAsInts().add(i1).reinterpretAsFloats();
            e1 = e1.blend(0f, x1.compare(LT, LOWEST));
            e1 = e1.blend(Float.POSITIVE_INFINITY, x1.compare(GT, HIGHEST));
            e0.intoArray(x, from);
            e1.intoArray(x, from + F.length());
            from += stride;
            e0 = e0.sub(lost0);
            n0 = sum0.add(e0);
            lost0 = n0.sub(sum0).sub(e0);
            sum0 = n0;
            e1 = e1.sub(lost1);
            n1 = sum1.add(e1);
            lost1 = n1.sub(sum1).sub(e1);
            sum1 = n1;
        }
        sum0.intoArray(sums, at);
        sum1.intoArray(sums, at + F.length());
    }

    static float of(float x) {
        float rounded = Math.fma(x, LOG2_E, ROUND);
        float n = rounded - ROUND;
        float r = Math.fma(n, -LN2_HIGH, x);
        r = Math.fma(n, -LN2_LOW, r);
        float e = Math.fma(r, C7, C6);
        e = Math.fma(e, r, C5);
        e = Math.fma(e, r, C4);
        e = Math.fma(e, r, C3);
        e = Math.fma(e, r, C2);
        e = Math.fma(e, r, 1f);
        e = Math.fma(e, r, 1f);
        float result = Float.intBitsToFloat(Float.floatToRawIntBits(e) + (Float.floatToRawIntBits(rounded) << 23));
        if (x < LOWEST) {
            return 0;
        }
        return x > HIGHEST ? Float.POSITIVE_INFINITY : result;
    }
}
