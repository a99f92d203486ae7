package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * The change {@code B A} of one target, [out, in], with scales and weights in B.
 *
 * @param b columns of B, each [out]
 * @param a rows of A, each [in]
 */
record LowRankProduct(List<double[]> b, List<double[]> a) {
    LowRankProduct {
        b = List.copyOf(b);
        a = List.copyOf(a);
        if (b.isEmpty() || b.size() != a.size()) {
            throw new IllegalStateException("%d columns of B, %d rows of A".formatted(b.size(), a.size()));
        }
    }

    int rank() {
        return b.size();
    }

    /** The factors of a target times a weight. */
    static LowRankProduct of(LoraWeights.Factors factors, double weight) {
        int rank = factors.rank();
        int inputs = Math.toIntExact(factors.a().shape().axis(1));
        int outputs = Math.toIntExact(factors.b().shape().axis(0));
        List<double[]> columns = new ArrayList<>(rank);
        List<double[]> rows = new ArrayList<>(rank);
        for (int j = 0; j < rank; j++) {
            double[] column = new double[outputs];
            for (int o = 0; o < outputs; o++) {
                column[o] = weight * factors.scale() * PeftFolder.value(factors.b(), (long) o * rank + j);
            }
            double[] row = new double[inputs];
            for (int i = 0; i < inputs; i++) {
                row[i] = PeftFolder.value(factors.a(), (long) j * inputs + i);
            }
            columns.add(column);
            rows.add(row);
        }
        return new LowRankProduct(columns, rows);
    }

    /** The sum of both changes; its rank is the sum of theirs. */
    LowRankProduct plus(LowRankProduct other) {
        List<double[]> columns = new ArrayList<>(b);
        columns.addAll(other.b);
        List<double[]> rows = new ArrayList<>(a);
        rows.addAll(other.a);
        return new LowRankProduct(columns, rows);
    }

    /**
     * A product of lower rank.
     *
     * @param lost square of the Frobenius norm of what it leaves out
     * @param total square of the norm of what was there
     */
    record Reduced(LowRankProduct product, double lost, double total) {}

    /**
     * The nearest product of at most {@code rank} (Eckart and Young): B = Q_b R_b and A^T = Q_a R_a, so the singular values are
     * those of the small matrix R_b R_a^T.
     */
    Reduced reduce(int rank) {
        ThinQr left = ThinQr.of(copies(b));
        ThinQr right = ThinQr.of(copies(a));
        int inner = right.q().length;
        double[][] core = new double[inner][left.q().length];
        for (int j = 0; j < inner; j++) {
            for (int t = 0; t < rank(); t++) {
                addTo(core[j], left.r()[t], right.r()[t][j]);
            }
        }
        JacobiSvd svd = JacobiSvd.of(core);
        double total = 0;
        double lost = 0;
        List<double[]> columns = new ArrayList<>(rank);
        List<double[]> rows = new ArrayList<>(rank);
        for (int k = 0; k < inner; k++) {
            double value = svd.values()[k];
            total += value * value;
            if (k >= rank) {
                lost += value * value;
                continue;
            }
            columns.add(combined(left.q(), svd.u()[k], Math.sqrt(value)));
            rows.add(combined(right.q(), svd.v()[k], Math.sqrt(value)));
        }
        return new Reduced(new LowRankProduct(columns, rows), lost, total);
    }

    private static double[][] copies(List<double[]> vectors) {
        return vectors.stream().map(double[]::clone).toArray(double[][]::new);
    }

    private static double[] combined(double[][] vectors, double[] weights, double factor) {
        double[] sum = new double[vectors[0].length];
        for (int i = 0; i < vectors.length; i++) {
            addTo(sum, vectors[i], weights[i] * factor);
        }
        return sum;
    }

    private static void addTo(double[] sum, double[] vector, double weight) {
        for (int i = 0; i < sum.length; i++) {
            sum[i] += weight * vector[i];
        }
    }

    /** As factors in F32, their scale 1. */
    LoraWeights.Factors factors(int target, Arena arena) {
        int rank = rank();
        int outputs = b.getFirst().length;
        int inputs = a.getFirst().length;
        MemorySegment first = arena.allocate(4L * rank * inputs, Float.BYTES);
        MemorySegment second = arena.allocate(4L * rank * outputs, Float.BYTES);
        for (int j = 0; j < rank; j++) {
            for (int i = 0; i < inputs; i++) {
                first.setAtIndex(ValueLayout.JAVA_FLOAT, (long) j * inputs + i, (float) a.get(j)[i]);
            }
            for (int o = 0; o < outputs; o++) {
                second.setAtIndex(ValueLayout.JAVA_FLOAT, (long) o * rank + j, (float) b.get(j)[o]);
            }
        }
        return new LoraWeights.Factors(
                target,
                new Tensor(first, DType.F32, Shape.of(rank, inputs)),
                new Tensor(second, DType.F32, Shape.of(outputs, rank)),
                1,
                null);
    }
}
