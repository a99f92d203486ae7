package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/**
 * {@code gain * (W + scale B A)} row by row in binary32, rounded once to bfloat16; the gain is DoRA's {@code magnitude /
 * |W + scale B A|} (arXiv 2402.09353, equation 5), or 1.
 */
final class MergedLinear {
    private static final int ROWS_PER_TASK = 64;

    private MergedLinear() {}

    /** @param factors of the target, null = the weight stays as it is */
    static Tensor merge(String module, Weight weight, LoraWeights.Factors factors, Arena arena) {
        int rows = weight.rows();
        int columns = weight.columns();
        float[] a = factors == null ? new float[0] : floats(factors.a());
        WeightRows base = WeightRows.of(weight);
        MemorySegment merged = arena.allocate(2L * rows * columns, Long.BYTES);
        IntStream.range(0, Math.ceilDiv(rows, ROWS_PER_TASK)).parallel().forEach(task -> {
            float[] row = new float[columns];
            int end = Math.min(rows, (task + 1) * ROWS_PER_TASK);
            for (int o = task * ROWS_PER_TASK; o < end; o++) {
                base.read(o, row);
                if (factors != null) {
                    add(factors, a, o, row);
                }
                float gain = factors == null || factors.magnitude() == null ? 1 : gain(module, factors, o, row);
                long at = (long) o * columns;
                for (int i = 0; i < columns; i++) {
                    merged.setAtIndex(ValueLayout.JAVA_SHORT, at + i, BFloat16.fromFloat(gain * row[i]));
                }
            }
        });
        return new Tensor(merged, DType.BF16, Shape.of(rows, columns));
    }

    private static void add(LoraWeights.Factors factors, float[] a, int o, float[] row) {
        int rank = factors.rank();
        for (int j = 0; j < rank; j++) {
            float b = factors.scale() * PeftFolder.value(factors.b(), (long) o * rank + j);
            int from = j * row.length;
            for (int i = 0; i < row.length; i++) {
                row[i] += b * a[from + i];
            }
        }
    }

    private static float gain(String module, LoraWeights.Factors factors, int o, float[] row) {
        double sum = 0;
        for (float value : row) {
            sum += (double) value * value;
        }
        float gain = (float) (PeftFolder.value(factors.magnitude(), o) / Math.sqrt(sum));
        if (!Float.isFinite(gain)) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "adapter: row %d of %s has norm %s, so lora_magnitude_vector can't scale it"
                            .formatted(o, module, Math.sqrt(sum)));
        }
        return gain;
    }

    /** Any float tensor in bfloat16. */
    static Tensor rounded(Tensor tensor, Arena arena) {
        long count = tensor.shape().elements();
        MemorySegment values = arena.allocate(2 * count, Long.BYTES);
        for (long i = 0; i < count; i++) {
            values.setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.fromFloat(PeftFolder.value(tensor, i)));
        }
        return new Tensor(values, DType.BF16, tensor.shape());
    }

    private static float[] floats(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.shape().elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = PeftFolder.value(tensor, i);
        }
        return values;
    }
}
