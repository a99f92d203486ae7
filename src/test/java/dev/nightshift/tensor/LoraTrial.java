package dev.nightshift.tensor;

import dev.nightshift.tensor.TrainingOps.Dropout;

/** One low-rank update, forward and backward, in double. */
record LoraTrial(int rows, int in, int rank, int out, double scale, Dropout dropout) {

    record Gradients(double[] dx, double[] da, double[] db, double[] dh) {}

    /** {@code h = drop(x) A^T}. */
    double[] hidden(double[] x, double[] a) {
        double[] h = new double[rows * rank];
        TrainingFormulas.addProductTransposed(h, 1, TrainingFormulas.dropped(x, in, dropout), a, rows, rank, in);
        return h;
    }

    /** {@code y = scale h B^T}. */
    double[] forward(double[] x, double[] a, double[] b) {
        double[] y = new double[rows * out];
        TrainingFormulas.addProductTransposed(y, scale, hidden(x, a), b, rows, out, rank);
        return y;
    }

    Gradients backward(double[] dy, double[] x, double[] a, double[] b) {
        double[] db = new double[out * rank];
        TrainingFormulas.addProduct(
                db, scale, TrainingFormulas.transposed(dy, rows, out), hidden(x, a), out, rank, rows);
        double[] dh = new double[rows * rank];
        TrainingFormulas.addProduct(dh, scale, dy, b, rows, rank, out);
        double[] da = new double[rank * in];
        double[] dropped = TrainingFormulas.dropped(x, in, dropout);
        TrainingFormulas.addProduct(da, 1, TrainingFormulas.transposed(dh, rows, rank), dropped, rank, in, rows);
        double[] dx = new double[rows * in];
        TrainingFormulas.addProduct(dx, 1, dh, a, rows, in, rank);
        return new Gradients(TrainingFormulas.dropped(dx, in, dropout), da, db, dh);
    }
}
