package dev.nightshift.train;

import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Golden adapters and what they are compared by. */
final class TrainingGolden {
    private static final String[] NAMES = {
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj"
    };

    private TrainingGolden() {}

    /** PEFT's name of a target's factor. */
    static String name(int target, String factor) {
        return "base_model.model.model.layers.%d.%s.lora_%s.weight"
                .formatted(target / LoraTargets.PER_LAYER, NAMES[target % LoraTargets.PER_LAYER], factor);
    }

    static List<AdapterParameters.HostFactors> adapter(GoldenTensors file, int layers, float scale) {
        List<AdapterParameters.HostFactors> factors = new ArrayList<>();
        for (int target = 0; target < layers * LoraTargets.PER_LAYER; target++) {
            factors.add(new AdapterParameters.HostFactors(
                    target, scale, copy(file, name(target, "A")), copy(file, name(target, "B"))));
        }
        return factors;
    }

    private static Tensor copy(GoldenTensors file, String name) {
        return HostRows.of(file.floats(name))
                .reshape(file.shape(name).axis(0), file.shape(name).axis(1));
    }

    static Map<String, float[]> byName(List<AdapterParameters.HostFactors> factors) {
        Map<String, float[]> values = new HashMap<>();
        for (AdapterParameters.HostFactors factor : factors) {
            values.put(name(factor.target(), "A"), HostRows.floats(factor.a()));
            values.put(name(factor.target(), "B"), HostRows.floats(factor.b()));
        }
        return values;
    }

    /** Norm of the difference over the norm of {@code reference}. */
    static double relativeError(float[] actual, float[] expected, float[] reference) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow(actual[i] - expected[i], 2);
            norm += Math.pow(reference[i], 2);
        }
        return Math.sqrt(difference / norm);
    }

    static float[] minus(float[] a, float[] b) {
        float[] result = new float[a.length];
        for (int i = 0; i < a.length; i++) {
            result[i] = a[i] - b[i];
        }
        return result;
    }
}
