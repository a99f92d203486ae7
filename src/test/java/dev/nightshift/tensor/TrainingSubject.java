package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;

/** What the parts of the contract know of the backend in training. */
interface TrainingSubject {
    /**
     * Sums of some hundred fp32 products, one sum feeding the next: 4 sqrt(500) roundings of 6e-8 are 5e-6 of an element's own
     * size or of the tensor's root mean square.
     */
    double TOLERANCE = 1e-5;

    Scene scene();

    TrainingOps training();

    Random random(String name);

    default Tensor put(double[] values, long... axes) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return scene().f32(floats, axes);
    }

    /** Normal numbers that are exact in fp32. */
    default double[] normal(Random random, int count, double deviation) {
        return doubles(HostTensors.normal(random, count, deviation));
    }

    static double[] doubles(float[] floats) {
        double[] values = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            values[i] = floats[i];
        }
        return values;
    }

    static double[] sum(double[] a, double[] b) {
        double[] out = a.clone();
        for (int i = 0; i < out.length; i++) {
            out[i] += b[i];
        }
        return out;
    }

    default void assertClose(String what, Tensor actual, double[] wanted) {
        assertClose(what, scene().floats(actual), wanted, TOLERANCE);
    }

    static void assertClose(String what, float[] actual, double[] wanted, double tolerance) {
        assertThat(actual).hasSameSizeAs(wanted);
        double rms = Math.sqrt(Arrays.stream(wanted).map(v -> v * v).average().orElse(0));
        for (int i = 0; i < wanted.length; i++) {
            assertThat(Math.abs(actual[i] - wanted[i]))
                    .as("%s: element %d is %s, expected %s", what, i, actual[i], wanted[i])
                    .isLessThanOrEqualTo(tolerance * (Math.abs(wanted[i]) + rms));
        }
    }
}
