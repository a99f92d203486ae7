package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * {@code config.json} of Hugging Face to a {@link ModelConfig}, in the spelling of old checkpoints and of transformers 5. What
 * is absent takes the default of its family in transformers 5.24 ({@code configuration_<family>.py}).
 */
final class ConfigReader {
    private static final String FILE = "config.json";

    /** The families, with what transformers assumes when a key is absent. */
    private enum Family {
        LLAMA("llama", 32000, 11008, 2048),
        MISTRAL("mistral", 32000, 14336, 4096 * 32),
        QWEN2("qwen2", 151936, 22016, 32768),
        QWEN3("qwen3", 151936, 22016, 32768);

        private final String modelType;
        private final int vocabSize;
        private final int intermediateSize;
        private final int maxPositions;

        Family(String modelType, int vocabSize, int intermediateSize, int maxPositions) {
            this.modelType = modelType;
            this.vocabSize = vocabSize;
            this.intermediateSize = intermediateSize;
            this.maxPositions = maxPositions;
        }
    }

    private static final int HIDDEN_SIZE = 4096;
    private static final int LAYERS = 32;
    private static final int HEADS = 32;
    private static final int MISTRAL_KV_HEADS = 8;
    private static final int QWEN3_HEAD_DIM = 128;
    private static final int SLIDING_WINDOW = 4096;
    private static final int QWEN_MAX_WINDOW_LAYERS = 28;

    private final JsonNode json;
    private final Family family;

    private ConfigReader(JsonNode json) {
        this.json = json;
        this.family = family(json);
    }

    static ModelConfig read(JsonNode json) {
        return new ConfigReader(json).read();
    }

    private static Family family(JsonNode json) {
        String modelType = json.path("model_type").asText("");
        List<String> supported = new ArrayList<>();
        for (Family family : Family.values()) {
            if (family.modelType.equals(modelType)) {
                return family;
            }
            supported.add(family.modelType);
        }
        throw invalid("model_type '%s' is not supported; supported are %s"
                .formatted(modelType, String.join(", ", supported)));
    }

    private ModelConfig read() {
        refuseWhatIsNotSupported();
        int hidden = positive("hidden_size", HIDDEN_SIZE);
        int heads = positive("num_attention_heads", HEADS);
        int kvHeads = positive("num_key_value_heads", kvHeadsByDefault(heads));
        int headDim = positive("head_dim", family == Family.QWEN3 ? QWEN3_HEAD_DIM : hidden / heads);
        int layers = positive("num_hidden_layers", LAYERS);
        int maxPositions = positive("max_position_embeddings", family.maxPositions);
        if (heads % kvHeads != 0) {
            throw invalid("num_attention_heads %d is no multiple of num_key_value_heads %d".formatted(heads, kvHeads));
        }
        if (headDim % 2 != 0) {
            throw invalid("head_dim %d is odd".formatted(headDim));
        }
        boolean attentionBias = switch (family) {
            case LLAMA, QWEN3 -> flag("attention_bias");
            case MISTRAL, QWEN2 -> false;
        };
        Window window = window(layers);
        return new ModelConfig(
                family.modelType,
                positive("vocab_size", family.vocabSize),
                hidden,
                positive("intermediate_size", family.intermediateSize),
                layers,
                heads,
                kvHeads,
                headDim,
                (float) Json.number(json, "rms_norm_eps").orElse(1e-6),
                RopeReader.read(json, maxPositions),
                maxPositions,
                window.size(),
                window.firstLayer(),
                family == Family.QWEN2 || attentionBias,
                attentionBias,
                family == Family.LLAMA && flag("mlp_bias"),
                family == Family.QWEN3,
                flag("tie_word_embeddings"));
    }

    private int kvHeadsByDefault(int heads) {
        // An explicit null means "as many as heads" in every family.
        return family == Family.MISTRAL && !json.has("num_key_value_heads") ? MISTRAL_KV_HEADS : heads;
    }

    private void refuseWhatIsNotSupported() {
        String activation = json.path("hidden_act").asText("silu");
        if (!activation.equals("silu")) {
            throw invalid("hidden_act '%s' is not supported; supported is silu".formatted(activation));
        }
        JsonNode quantised = json.path("quantization_config");
        if (quantised.isObject()) {
            String method = quantised.path("quant_method").asText("bitsandbytes");
            if (!method.equals("bitsandbytes")) {
                throw invalid("quant_method '%s' is not supported; supported are bitsandbytes 4-bit and 16-bit weights"
                        .formatted(method));
            }
            boolean fourBit = quantised
                    .path("load_in_4bit")
                    .asBoolean(quantised.path("_load_in_4bit").asBoolean());
            boolean eightBit = quantised
                    .path("load_in_8bit")
                    .asBoolean(quantised.path("_load_in_8bit").asBoolean());
            if (eightBit && !fourBit) {
                throw invalid("bitsandbytes load_in_8bit is not supported; supported are 4-bit and 16-bit weights");
            }
        }
    }

    /** Size of the sliding window, if there is one, and the first layer that has it. */
    private record Window(OptionalInt size, int firstLayer) {
        static final Window NONE = new Window(OptionalInt.empty(), 0);
    }

    private Window window(int layers) {
        return switch (family) {
            case LLAMA -> Window.NONE;
            case MISTRAL -> {
                if (json.has("sliding_window") && json.get("sliding_window").isNull()) {
                    yield Window.NONE;
                }
                yield new Window(OptionalInt.of(positive("sliding_window", SLIDING_WINDOW)), 0);
            }
            case QWEN2, QWEN3 -> {
                boolean none =
                        json.has("sliding_window") && json.get("sliding_window").isNull();
                if (none || !flag("use_sliding_window")) {
                    yield Window.NONE;
                }
                int first = firstSlidingLayer(layers);
                OptionalInt size = OptionalInt.of(positive("sliding_window", SLIDING_WINDOW));
                yield first < layers ? new Window(size, first) : Window.NONE;
            }
        };
    }

    private int firstSlidingLayer(int layers) {
        JsonNode types = json.path("layer_types");
        if (!types.isArray()) {
            return Math.max(0, Json.integer(json, "max_window_layers").orElse(QWEN_MAX_WINDOW_LAYERS));
        }
        if (types.size() != layers) {
            throw invalid("layer_types has %d entries, num_hidden_layers is %d".formatted(types.size(), layers));
        }
        int first = layers;
        for (int layer = 0; layer < layers; layer++) {
            boolean sliding = switch (types.get(layer).asText()) {
                case "full_attention" -> false;
                case "sliding_attention" -> true;
                default ->
                    throw invalid("layer type '%s' is not supported"
                            .formatted(types.get(layer).asText()));
            };
            if (sliding && first == layers) {
                first = layer;
            }
            if (!sliding && first < layers) {
                throw invalid(
                        "layer_types has full_attention (layer %d) after sliding_attention (layer %d); supported is the other order"
                                .formatted(layer, first));
            }
        }
        return first;
    }

    private boolean flag(String key) {
        return json.path(key).asBoolean(false);
    }

    private int positive(String key, int absent) {
        if (!Json.present(json, key)) {
            return absent;
        }
        int value = Json.integer(json, key).orElse(0);
        if (value <= 0) {
            throw invalid("%s is %s, a positive integer expected".formatted(key, json.get(key)));
        }
        return value;
    }

    static ServingException invalid(String what) {
        return new ServingException(ErrorCode.INVALID_REQUEST, FILE + ": " + what);
    }
}
