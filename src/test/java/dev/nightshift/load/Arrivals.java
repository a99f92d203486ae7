package dev.nightshift.load;

import java.util.Random;

/** When requests are due, in nanoseconds after the start: an open loop, which does not wait for answers. */
final class Arrivals {
    private Arrivals() {}

    /** Gamma gaps of mean {@code 1 / rate}, stretched so that the last request is due at {@code requests / rate}. */
    static long[] schedule(int requests, double rate, double burstiness, Random random) {
        long[] due = new long[requests];
        if (Double.isInfinite(rate)) {
            return due;
        }
        double[] at = new double[requests];
        double sum = 0;
        for (int i = 0; i < requests; i++) {
            sum += gamma(burstiness, random);
            at[i] = sum;
        }
        double stretch = requests / rate / sum;
        for (int i = 0; i < requests; i++) {
            due[i] = (long) (at[i] * stretch * 1e9);
        }
        return due;
    }

    /** Marsaglia and Tsang, A Simple Method for Generating Gamma Variables, 2000; below shape 1 by their section 6. */
    static double gamma(double shape, Random random) {
        if (shape < 1) {
            return gamma(shape + 1, random) * Math.pow(random.nextDouble(), 1 / shape);
        }
        double d = shape - 1.0 / 3;
        double c = 1 / Math.sqrt(9 * d);
        while (true) {
            double x = random.nextGaussian();
            double v = Math.pow(1 + c * x, 3);
            if (v > 0 && Math.log(random.nextDouble()) < x * x / 2 + d - d * v + d * Math.log(v)) {
                return d * v;
            }
        }
    }

    /** Index below {@code n}, the first ones more often: probability proportional to {@code 1 / (index + 1)^exponent}. */
    static int zipf(int n, double exponent, Random random) {
        double total = 0;
        for (int i = 1; i <= n; i++) {
            total += Math.pow(i, -exponent);
        }
        double draw = random.nextDouble() * total;
        for (int i = 1; i < n; i++) {
            draw -= Math.pow(i, -exponent);
            if (draw < 0) {
                return i - 1;
            }
        }
        return n - 1;
    }
}
