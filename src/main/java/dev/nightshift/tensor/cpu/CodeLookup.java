package dev.nightshift.tensor.cpu;

import static jdk.incubator.vector.VectorOperators.EQ;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Values of 4-bit codes, the low nibbles of a vector's lanes, from a table in two or four registers. Look-ups wrap their index.
 * Every method is below 35 bytes of code, so that the compiler inlines it whatever surrounds it.
 */
final class CodeLookup {
    private CodeLookup() {}

    /** From the table's halves, each as long as the vector. */
    static FloatVector half(IntVector v, IntVector t0, IntVector t1) {
        return choose(v, 8, v.selectFrom(t0), v.selectFrom(t1)).reinterpretAsFloats();
    }

    /** From the table's quarters. */
    static FloatVector quarter(IntVector v, IntVector t0, IntVector t1, IntVector t2, IntVector t3) {
        return choose(v, 8, lower(v, t0, t1), lower(v, t2, t3)).reinterpretAsFloats();
    }

    private static IntVector lower(IntVector v, IntVector t0, IntVector t1) {
        return choose(v, 4, v.selectFrom(t0), v.selectFrom(t1));
    }

    /** Lanes of {@code one} where a bit of v is set. */
    private static IntVector choose(IntVector v, int bit, IntVector zero, IntVector one) {
        return one.blend(zero, v.and(bit).compare(EQ, 0));
    }
}
