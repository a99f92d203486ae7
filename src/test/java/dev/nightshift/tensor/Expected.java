package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.fail;

/** What an operation should give, in double, with the error that fp32 may have in each element. */
record Expected(double[] values, double[] tolerances) {
    /** Unit roundoff of fp32. */
    static final double ROUNDOFF = 0x1p-24;
    /**
     * A sum of n products in fp32 errs by about sqrt(n) roundings of its running sum, whatever the order; 4 leaves room for the
     * tail of that distribution.
     */
    private static final double SUM_FACTOR = 4;
    /** Below this everything may be flushed to zero. */
    static final double TINY = 1e-37;

    Expected(int size) {
        this(new double[size], new double[size]);
    }

    /** Tolerance of a sum of {@code terms} products. */
    static double sumTolerance(int terms, double sum, double sumOfSquares) {
        return SUM_FACTOR * Math.sqrt(terms) * ROUNDOFF * Math.max(Math.abs(sum), Math.sqrt(sumOfSquares)) + TINY;
    }

    void set(int index, double value, double tolerance) {
        values[index] = value;
        tolerances[index] = tolerance;
    }

    /** Every element within its tolerance; infinities and NaN must be the same. */
    void assertMatches(float[] actual, String what) {
        if (actual.length != values.length) {
            fail("%s: %d values, expected %d".formatted(what, actual.length, values.length));
        }
        for (int i = 0; i < actual.length; i++) {
            double wanted = values[i];
            boolean same = Float.isFinite((float) wanted)
                    ? Math.abs(actual[i] - wanted) <= tolerances[i]
                    : Double.compare((float) wanted, actual[i]) == 0;
            if (!same) {
                fail("%s: element %d of %d is %s, expected %s within %s"
                        .formatted(what, i, actual.length, actual[i], wanted, tolerances[i]));
            }
        }
    }
}
