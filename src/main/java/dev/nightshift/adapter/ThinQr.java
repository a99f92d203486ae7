package dev.nightshift.adapter;

import java.util.Arrays;

/**
 * {@code X = Q R} of a tall matrix by Householder reflections (Golub and Van Loan, Matrix Computations, 5.2), which stay
 * orthogonal where columns depend on each other.
 *
 * @param q [rows, k] by columns, k the smaller of rows and columns
 * @param r [k, columns] by columns
 */
record ThinQr(double[][] q, double[][] r) {

    /** @param columns of the matrix; overwritten */
    static ThinQr of(double[][] columns) {
        int n = columns.length;
        int rows = columns[0].length;
        int k = Math.min(rows, n);
        double[][] reflectors = new double[k][];
        for (int step = 0; step < k; step++) {
            reflectors[step] = reflector(columns[step], step);
            for (int j = step; j < n; j++) {
                reflect(columns[j], reflectors[step], step);
            }
        }
        double[][] r = new double[n][k];
        for (int j = 0; j < n; j++) {
            System.arraycopy(columns[j], 0, r[j], 0, Math.min(j + 1, k));
        }
        double[][] q = new double[k][rows];
        for (int j = 0; j < k; j++) {
            q[j][j] = 1;
            for (int step = j; step >= 0; step--) {
                reflect(q[j], reflectors[step], step);
            }
        }
        return new ThinQr(q, r);
    }

    /** Unit vector over the elements from {@code at} on, whose reflection leaves the first of them alone; null = all are zero. */
    private static double[] reflector(double[] column, int at) {
        double[] v = Arrays.copyOfRange(column, at, column.length);
        double norm = Math.sqrt(JacobiSvd.dot(v, v));
        if (norm == 0) {
            return null;
        }
        v[0] += Math.copySign(norm, v[0]);
        double length = Math.sqrt(JacobiSvd.dot(v, v));
        for (int i = 0; i < v.length; i++) {
            v[i] /= length;
        }
        return v;
    }

    private static void reflect(double[] column, double[] v, int at) {
        if (v == null) {
            return;
        }
        double sum = 0;
        for (int i = 0; i < v.length; i++) {
            sum += v[i] * column[at + i];
        }
        for (int i = 0; i < v.length; i++) {
            column[at + i] -= 2 * sum * v[i];
        }
    }
}
