package dev.nightshift.adapter;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Singular value decomposition of a small matrix by one-sided Jacobi rotations (Hestenes; Golub and Van Loan, Matrix
 * Computations, 8.6.3): columns are rotated in pairs until all are orthogonal.
 *
 * @param u left vectors, by falling singular value; zero where the value is
 * @param values falling
 * @param v right vectors
 */
record JacobiSvd(double[][] u, double[] values, double[][] v) {
    /** Sweeps that a matrix of rank 256 needs are about ten; one that needs more than this holds NaN. */
    private static final int SWEEPS_MAX = 60;

    /** @param columns of the matrix, not changed */
    static JacobiSvd of(double[][] columns) {
        int n = columns.length;
        double[][] work = new double[n][];
        double[][] v = new double[n][n];
        for (int i = 0; i < n; i++) {
            work[i] = columns[i].clone();
            v[i][i] = 1;
        }
        // a dot product of that many elements is not known better; below the second, columns are rounding noise
        double orthogonal = columns[0].length * Math.ulp(1.0);
        double noise = n
                * Math.ulp(1.0)
                * Math.sqrt(Arrays.stream(work).mapToDouble(c -> dot(c, c)).sum());
        int sweeps = 0;
        while (sweep(work, v, orthogonal, noise * noise)) {
            if (++sweeps > SWEEPS_MAX) {
                throw new IllegalStateException("no convergence in %d sweeps of %d columns".formatted(SWEEPS_MAX, n));
            }
        }
        return sorted(work, v);
    }

    /** Rotates every pair once; whether any was not orthogonal. */
    private static boolean sweep(double[][] work, double[][] v, double orthogonal, double noise) {
        boolean rotated = false;
        for (int p = 0; p < work.length; p++) {
            for (int q = p + 1; q < work.length; q++) {
                double alpha = dot(work[p], work[p]);
                double beta = dot(work[q], work[q]);
                double gamma = dot(work[p], work[q]);
                if (Math.min(alpha, beta) <= noise || Math.abs(gamma) <= orthogonal * Math.sqrt(alpha * beta)) {
                    continue;
                }
                rotated = true;
                double zeta = (beta - alpha) / (2 * gamma);
                double tangent = Math.copySign(1, zeta) / (Math.abs(zeta) + Math.hypot(1, zeta));
                double cosine = 1 / Math.hypot(1, tangent);
                rotate(work[p], work[q], cosine, cosine * tangent);
                rotate(v[p], v[q], cosine, cosine * tangent);
            }
        }
        return rotated;
    }

    private static void rotate(double[] x, double[] y, double cosine, double sine) {
        for (int i = 0; i < x.length; i++) {
            double old = x[i];
            x[i] = cosine * old - sine * y[i];
            y[i] = sine * old + cosine * y[i];
        }
    }

    private static JacobiSvd sorted(double[][] work, double[][] v) {
        int n = work.length;
        double[] norms = new double[n];
        Arrays.setAll(norms, i -> Math.sqrt(dot(work[i], work[i])));
        int[] order = IntStream.range(0, n)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -norms[i]))
                .mapToInt(Integer::intValue)
                .toArray();
        double[][] u = new double[n][];
        double[] values = new double[n];
        double[][] right = new double[n][];
        for (int i = 0; i < n; i++) {
            double norm = norms[order[i]];
            values[i] = norm;
            right[i] = v[order[i]];
            u[i] = Arrays.stream(work[order[i]])
                    .map(x -> norm == 0 ? 0 : x / norm)
                    .toArray();
        }
        return new JacobiSvd(u, values, right);
    }

    static double dot(double[] x, double[] y) {
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += x[i] * y[i];
        }
        return sum;
    }
}
