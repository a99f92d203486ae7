package dev.nightshift.tensor;

import dev.nightshift.tensor.TestAdapters.Change;
import java.util.Arrays;
import java.util.List;

/** The operations of {@link TensorOps} as plain loops in double; what every backend is held against. */
final class ScalarFormulas {
    /** Roundings on the way through an element-wise formula, exp included. */
    private static final double ELEMENTWISE = 12;

    private ScalarFormulas() {}

    /**
     * {@code y = x W^T} with the rows' adapters and the bias.
     *
     * @param partRows rows of each fused part, part p being target {@code firstTarget + p}
     */
    static Expected linear(
            float[] x,
            int columns,
            float[] weight,
            List<Integer> partRows,
            float[] bias,
            TestAdapters adapters,
            int[] rowSlots,
            int firstTarget) {
        int rows = x.length / columns;
        int outs = weight.length / columns;
        Expected expected = new Expected(rows * outs);
        for (int row = 0; row < rows; row++) {
            int first = 0;
            for (int part = 0; part < partRows.size(); part++) {
                Change change =
                        adapters == null ? TestAdapters.none() : adapters.change(rowSlots[row], firstTarget + part);
                int partOuts = partRows.get(part);
                switch (change) {
                    case Change.None ignored -> plain(expected, row, x, columns, weight, first, partOuts, first, outs);
                    case Change.Replacement replaced ->
                        plain(expected, row, x, columns, replaced.values(), 0, partOuts, first, outs);
                    case Change.LowRank low -> {
                        plain(expected, row, x, columns, weight, first, partOuts, first, outs);
                        lowRank(expected, row, x, columns, low, partOuts, first, outs);
                    }
                }
                first += partOuts;
            }
            addBias(expected, row, bias, outs);
        }
        return expected;
    }

    private static void plain(
            Expected expected,
            int row,
            float[] x,
            int columns,
            float[] weight,
            int weightRow,
            int count,
            int outFirst,
            int outs) {
        for (int o = 0; o < count; o++) {
            double sum = 0;
            double squares = 0;
            for (int c = 0; c < columns; c++) {
                double term = (double) x[row * columns + c] * weight[(weightRow + o) * columns + c];
                sum += term;
                squares += term * term;
            }
            expected.set(row * outs + outFirst + o, sum, Expected.sumTolerance(columns, sum, squares));
        }
    }

    private static void lowRank(
            Expected expected, int row, float[] x, int columns, Change.LowRank low, int count, int outFirst, int outs) {
        Expected ax = new Expected(low.rank());
        plain(
                ax,
                0,
                Arrays.copyOfRange(x, row * columns, (row + 1) * columns),
                columns,
                low.a(),
                0,
                low.rank(),
                0,
                low.rank());
        for (int o = 0; o < count; o++) {
            double sum = 0;
            double squares = 0;
            double inherited = 0;
            for (int r = 0; r < low.rank(); r++) {
                double b = (double) low.scale() * low.b()[o * low.rank() + r];
                sum += b * ax.values()[r];
                squares += Math.pow(b * ax.values()[r], 2);
                inherited += Math.pow(b * ax.tolerances()[r], 2);
            }
            int index = row * outs + outFirst + o;
            double value = expected.values()[index] + sum;
            double tolerance = expected.tolerances()[index]
                    + Expected.sumTolerance(low.rank() + 2, sum, squares)
                    + Math.sqrt(inherited)
                    + 2 * Expected.ROUNDOFF * Math.abs(value);
            double gain = low.gain() == null ? 1 : low.gain()[o];
            expected.set(index, gain * value, gain * tolerance + 2 * Expected.ROUNDOFF * Math.abs(gain * value));
        }
    }

    private static void addBias(Expected expected, int row, float[] bias, int outs) {
        if (bias == null) {
            return;
        }
        for (int o = 0; o < outs; o++) {
            int index = row * outs + o;
            double value = expected.values()[index] + bias[o];
            expected.set(index, value, expected.tolerances()[index] + Expected.ROUNDOFF * Math.abs(value));
        }
    }

    /** Rows of a table, zeros for negative ids. */
    static float[] embed(float[] table, int hidden, int[] ids, TestAdapters adapters, int[] rowSlots, int target) {
        float[] out = new float[ids.length * hidden];
        for (int row = 0; row < ids.length; row++) {
            if (ids[row] >= 0) {
                Change change = adapters == null ? TestAdapters.none() : adapters.change(rowSlots[row], target);
                float[] source = change instanceof Change.Replacement replaced ? replaced.values() : table;
                System.arraycopy(source, ids[row] * hidden, out, row * hidden, hidden);
            }
        }
        return out;
    }

    static Expected rmsNorm(float[] x, float[] weight, float epsilon) {
        int hidden = weight.length;
        Expected expected = new Expected(x.length);
        for (int row = 0; row < x.length / hidden; row++) {
            double squares = 0;
            for (int i = 0; i < hidden; i++) {
                squares += (double) x[row * hidden + i] * x[row * hidden + i];
            }
            double scale = 1 / Math.sqrt(squares / hidden + epsilon);
            for (int i = 0; i < hidden; i++) {
                double value = x[row * hidden + i] * scale * weight[i];
                // all terms of the sum have one sign: its relative error is that of sqrt(n) roundings at most
                double tolerance = (ELEMENTWISE + 4 * Math.sqrt(hidden)) * Expected.ROUNDOFF * Math.abs(value);
                expected.set(row * hidden + i, value, tolerance + Expected.TINY);
            }
        }
        return expected;
    }

    static Expected swiGlu(float[] gateUp, int inner) {
        int rows = gateUp.length / (2 * inner);
        Expected expected = new Expected(rows * inner);
        for (int row = 0; row < rows; row++) {
            for (int i = 0; i < inner; i++) {
                double gate = gateUp[row * 2 * inner + i];
                double up = gateUp[row * 2 * inner + inner + i];
                double value = gate / (1 + Math.exp(-gate)) * up;
                // exp's argument is rounded: a relative error of |gate| roundings where gate is negative
                double tolerance = (ELEMENTWISE + Math.abs(Math.min(gate, 0))) * Expected.ROUNDOFF * Math.abs(value);
                expected.set(row * inner + i, value, tolerance + Expected.TINY * Math.max(1, Math.abs(up)));
            }
        }
        return expected;
    }
}
