package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.WeightSource;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The output gains of a DoRA adapter (arXiv 2402.09353, equation 5): {@code magnitude / |W + scale B A|}, the norm taken over
 * each row. The base's weights are dequantised row by row, a layer at a time.
 */
public final class DoraGains {
    private static final int ROWS_PER_TASK = 64;

    private DoraGains() {}

    /** Gains [out] F32 of all targets that have a magnitude, by target. */
    public static Map<Integer, Tensor> of(LoraWeights adapter, WeightSource base, Arena arena) {
        Map<Integer, Tensor> gains = new HashMap<>();
        ModelConfig config = base.config();
        List<LoraWeights.Factors> factors = adapter.factors().stream()
                .filter(factor -> factor.magnitude() != null)
                .toList();
        for (int layer = 0; layer <= config.layers(); layer++) {
            int index = layer;
            List<LoraWeights.Factors> ofLayer = factors.stream()
                    .filter(factor -> Math.min(factor.target() / LoraTargets.PER_LAYER, config.layers()) == index)
                    .toList();
            if (ofLayer.isEmpty()) {
                continue;
            }
            try (Arena piece = Arena.ofShared()) {
                LayerWeights weights = layer < config.layers() ? base.layer(layer, piece) : null;
                for (LoraWeights.Factors factor : ofLayer) {
                    Weight weight = weights == null
                            ? base.head(base.embedding(piece), piece)
                            : part(weights, factor.target() % LoraTargets.PER_LAYER);
                    String module = AdapterModules.name(config, factor.target());
                    gains.put(factor.target(), gain(module, weight, factor, arena));
                }
            }
        }
        return gains;
    }

    private static Weight part(LayerWeights layer, int projection) {
        return switch (projection) {
            case LoraTargets.O -> layer.output();
            case LoraTargets.DOWN -> layer.down();
            case LoraTargets.GATE, LoraTargets.UP ->
                ((Weight.Fused) layer.gateUp()).parts().get(projection - LoraTargets.GATE);
            default -> ((Weight.Fused) layer.qkv()).parts().get(projection - LoraTargets.Q);
        };
    }

    private static Tensor gain(String module, Weight weight, LoraWeights.Factors factor, Arena arena) {
        int rows = weight.rows();
        int columns = weight.columns();
        int rank = factor.rank();
        float[] a = floats(factor.a());
        WeightRows base = WeightRows.of(weight);
        MemorySegment gains = arena.allocate(4L * rows, Float.BYTES);
        IntStream.range(0, Math.ceilDiv(rows, ROWS_PER_TASK)).parallel().forEach(task -> {
            float[] row = new float[columns];
            int end = Math.min(rows, (task + 1) * ROWS_PER_TASK);
            for (int o = task * ROWS_PER_TASK; o < end; o++) {
                base.read(o, row);
                for (int j = 0; j < rank; j++) {
                    float b = factor.scale() * PeftFolder.value(factor.b(), (long) o * rank + j);
                    int from = j * columns;
                    for (int i = 0; i < columns; i++) {
                        row[i] += b * a[from + i];
                    }
                }
                double norm = norm(row);
                float gain = (float) (PeftFolder.value(factor.magnitude(), o) / norm);
                if (!Float.isFinite(gain)) {
                    throw new ServingException(
                            ErrorCode.INVALID_REQUEST,
                            "adapter: row %d of %s has norm %s, so lora_magnitude_vector can't scale it"
                                    .formatted(o, module, norm));
                }
                gains.setAtIndex(ValueLayout.JAVA_FLOAT, o, gain);
            }
        });
        return new Tensor(gains, DType.F32, Shape.of(rows));
    }

    private static double norm(float[] row) {
        double sum = 0;
        for (float value : row) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    private static float[] floats(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.shape().elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = PeftFolder.value(tensor, i);
        }
        return values;
    }
}
