package dev.nightshift.model;

import java.util.List;
import java.util.OptionalInt;

/** Hugging Face's module names of the linears that an adapter can change, and their shapes. */
public final class AdapterModules {
    /** Last parts of the names, in the order of {@link LoraTargets}. */
    public static final List<String> PROJECTIONS =
            List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

    public static final String EMBEDDING = "model.embed_tokens";
    public static final String HEAD = "lm_head";

    private static final String LAYERS = "model.layers.";

    private AdapterModules() {}

    /** Full name of a target, {@code model.layers.3.self_attn.q_proj} for instance. */
    public static String name(ModelConfig config, int target) {
        if (target == LoraTargets.embedding(config.layers())) {
            return EMBEDDING;
        }
        if (target == LoraTargets.head(config.layers())) {
            return HEAD;
        }
        int projection = target % LoraTargets.PER_LAYER;
        String parent = projection <= LoraTargets.O ? "self_attn" : "mlp";
        return LAYERS + target / LoraTargets.PER_LAYER + "." + parent + "." + PROJECTIONS.get(projection);
    }

    /** The target of a full name, if the model has one of that name. */
    public static OptionalInt target(ModelConfig config, String name) {
        for (int target = 0; target < LoraTargets.count(config.layers()); target++) {
            if (name(config, target).equals(name)) {
                return OptionalInt.of(target);
            }
        }
        return OptionalInt.empty();
    }

    /** Output features of a target. */
    public static int outputs(ModelConfig config, int target) {
        if (target >= LoraTargets.embedding(config.layers())) {
            return config.vocabSize();
        }
        return switch (target % LoraTargets.PER_LAYER) {
            case LoraTargets.Q -> config.heads() * config.headDim();
            case LoraTargets.K, LoraTargets.V -> config.kvHeads() * config.headDim();
            case LoraTargets.GATE, LoraTargets.UP -> config.intermediateSize();
            default -> config.hiddenSize();
        };
    }

    /** Input features of a target. */
    public static int inputs(ModelConfig config, int target) {
        if (target >= LoraTargets.embedding(config.layers())) {
            return config.hiddenSize();
        }
        return switch (target % LoraTargets.PER_LAYER) {
            case LoraTargets.O -> config.heads() * config.headDim();
            case LoraTargets.DOWN -> config.intermediateSize();
            default -> config.hiddenSize();
        };
    }
}
