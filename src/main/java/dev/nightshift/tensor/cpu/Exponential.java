package dev.nightshift.tensor.cpu;

import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * e^x in binary32, one sequence of operations for vectors and scalars, so that a value does not depend on its place: x = n ln 2
 * + r with |r| <= ln 2 / 2, then e^r by its series to r^7 (next term below 2^-27), then n into the exponent. The machine's own
 * vector functions differ between widths. Within 2 units in the last place; 0 below the smallest normal result.
 */
final class Exponential {
    private static final float LOG2_E = 1.44269504f;
    /** ln 2 in two parts; n times the first is exact, it ends in 11 zero bits. */
    private static final float LN2_HIGH = 0x1.62ep-1f;

    private static final float LN2_LOW = (float) (Math.log(2) - 0x1.62ep-1);
    /** Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. */
    private static final float ROUND = 0x1.8p23f;

    private static final float LOWEST = -87.33654f;
    private static final float HIGHEST = 88.02969f;
    private static final float C7 = 1f / 5040;
    private static final float C6 = 1f / 720;
    private static final float C5 = 1f / 120;
    private static final float C4 = 1f / 24;
    private static final float C3 = 1f / 6;
    private static final float C2 = 0.5f;

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
