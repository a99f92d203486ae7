package dev.nightshift.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * A PEFT adapter's folder: {@code adapter_config.json} and {@code adapter_model.safetensors}. Reading checks everything
 * against the base model: an adapter that is accepted changes what it says it changes.
 */
public final class PeftFolder {
    public static final String CONFIG = "adapter_config.json";
    public static final String WEIGHTS = "adapter_model.safetensors";

    private static final String PREFIX = "base_model.model.";
    private static final String A = ".lora_A.weight";
    private static final String B = ".lora_B.weight";
    private static final String MAGNITUDE = ".lora_magnitude_vector";
    /** PEFT writes the base's own head beside its factors (save_embedding_layers). */
    private static final String BASE_COPY = ".base_layer.weight";

    static final long CONFIG_BYTES_MAX = 1 << 20;

    private PeftFolder() {}

    /** Reads the configuration alone. */
    public static PeftConfig config(Path folder) {
        return PeftConfig.parse(configBytes(folder));
    }

    static byte[] configBytes(Path folder) {
        Path file = folder.resolve(CONFIG);
        try {
            if (Files.size(file) > CONFIG_BYTES_MAX) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "%s has %d bytes, at most %d".formatted(CONFIG, Files.size(file), CONFIG_BYTES_MAX));
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "%s %s".formatted(CONFIG, Files.exists(file) ? "can't be read" : "is missing"),
                    e);
        }
    }

    /**
     * Reads and checks an adapter; its tensors are views of the mapped file and live as long as {@code arena}. Copies of the base's
     * weights are passed over: {@link PeftAdapter} checks that they are the base's.
     */
    public static LoraWeights read(Path folder, ModelConfig base, Arena arena) {
        PeftConfig config = config(folder);
        refusePickle(folder);
        return read(config, base, SafetensorsFile.map(folder.resolve(WEIGHTS), arena))
                .weights();
    }

    /** Refuses a folder that holds its tensors in a form that runs code when it is read. */
    static void refusePickle(Path folder) {
        if (!Files.exists(folder.resolve(WEIGHTS)) && Files.exists(folder.resolve("adapter_model.bin"))) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "adapter_model.bin is pickled; save the adapter as " + WEIGHTS);
        }
    }

    /** @param baseCopies what the file says are weights of the base, by target */
    record Content(LoraWeights weights, Map<Integer, StoredTensor> baseCopies) {}

    static Content read(PeftConfig config, ModelConfig base, SafetensorsFile file) {
        Reading reading = new Reading(config, base, file);
        return new Content(reading.weights(), reading.baseCopies);
    }

    /** One adapter while it is read. */
    private static final class Reading {
        private final PeftConfig config;
        private final ModelConfig base;
        private final TreeMap<Integer, Map<String, StoredTensor>> parts = new TreeMap<>();
        private final Map<Integer, Tensor> replacements = new HashMap<>();
        private final Map<Integer, StoredTensor> baseCopies = new HashMap<>();

        Reading(PeftConfig config, ModelConfig base, SafetensorsFile file) {
            this.config = config;
            this.base = base;
            file.tensors().forEach(this::place);
        }

        private void place(String key, StoredTensor tensor) {
            if (!key.startsWith(PREFIX)) {
                throw bad("tensor %s does not start with %s".formatted(key, PREFIX));
            }
            String name = key.substring(PREFIX.length());
            for (String suffix : List.of(A, B, MAGNITUDE)) {
                if (name.endsWith(suffix)) {
                    String module = name.substring(0, name.length() - suffix.length());
                    parts.computeIfAbsent(target(key, module), t -> new HashMap<>())
                            .put(suffix, tensor);
                    return;
                }
            }
            if (name.equals(AdapterModules.HEAD + BASE_COPY)) {
                int head = target(key, AdapterModules.HEAD);
                shape(tensor, base.vocabSize(), base.hiddenSize());
                finite(tensor.name(), tensor.tensor());
                baseCopies.put(head, tensor);
                return;
            }
            if (name.endsWith(".weight")) {
                replace(key, name.substring(0, name.length() - ".weight".length()), tensor);
                return;
            }
            throw bad("tensor %s is of no kind that is supported".formatted(key));
        }

        private int target(String key, String module) {
            OptionalInt target = AdapterModules.target(base, module);
            if (target.isEmpty()) {
                throw bad("tensor %s belongs to module %s, which the base model lacks".formatted(key, module));
            }
            if (target.getAsInt() == LoraTargets.embedding(base.layers())) {
                throw bad("tensor %s: low-rank factors of the embedding are not supported".formatted(key));
            }
            if (!config.targets(module, layer(target.getAsInt()))) {
                throw bad("tensor %s: target_modules with layers_to_transform does not name %s".formatted(key, module));
            }
            return target.getAsInt();
        }

        private void replace(String key, String module, StoredTensor stored) {
            int target = module.equals(AdapterModules.HEAD)
                    ? LoraTargets.head(base.layers())
                    : module.equals(AdapterModules.EMBEDDING) ? LoraTargets.embedding(base.layers()) : -1;
            String last = module.substring(module.lastIndexOf('.') + 1);
            if (target < 0 || !config.modulesToSave().contains(last)) {
                throw bad("tensor %s: a saved module may be lm_head or embed_tokens and must stand in modules_to_save"
                        .formatted(key));
            }
            Tensor tensor = stored.tensor();
            shape(stored, base.vocabSize(), base.hiddenSize());
            finite(stored.name(), tensor);
            replacements.put(target, tensor);
        }

        private int layer(int target) {
            return target >= LoraTargets.embedding(base.layers()) ? -1 : target / LoraTargets.PER_LAYER;
        }

        LoraWeights weights() {
            List<LoraWeights.Factors> factors = new ArrayList<>();
            parts.forEach((target, tensors) -> factors.add(factors(target, tensors)));
            for (int target = 0; target < LoraTargets.count(base.layers()); target++) {
                String module = AdapterModules.name(base, target);
                boolean wanted =
                        target != LoraTargets.embedding(base.layers()) && config.targets(module, layer(target));
                if (wanted && !parts.containsKey(target)) {
                    throw bad("target_modules names %s, but %s holds no factors of it".formatted(module, WEIGHTS));
                }
            }
            for (String module : config.modulesToSave()) {
                boolean head = module.equals("lm_head");
                int target = head ? LoraTargets.head(base.layers()) : LoraTargets.embedding(base.layers());
                if (!head && !module.equals("embed_tokens")) {
                    throw bad("modules_to_save names %s; lm_head and embed_tokens are supported".formatted(module));
                }
                if (!replacements.containsKey(target)) {
                    throw bad("modules_to_save names %s, but %s does not hold it".formatted(module, WEIGHTS));
                }
            }
            if (factors.isEmpty() && replacements.isEmpty()) {
                throw bad("no module of the base model is changed");
            }
            return new LoraWeights(factors, replacements);
        }

        private LoraWeights.Factors factors(int target, Map<String, StoredTensor> tensors) {
            String module = AdapterModules.name(base, target);
            StoredTensor a = tensors.get(A);
            StoredTensor b = tensors.get(B);
            StoredTensor magnitude = tensors.get(MAGNITUDE);
            if (a == null || b == null) {
                throw bad("%s has no %s".formatted(module, a == null ? "lora_A" : "lora_B"));
            }
            if (config.dora() != (magnitude != null)) {
                throw bad("use_dora is %s, but %s has %s lora_magnitude_vector"
                        .formatted(config.dora(), module, magnitude == null ? "no" : "a"));
            }
            int rank = config.rank(module);
            shape(a, rank, AdapterModules.inputs(base, target));
            shape(b, AdapterModules.outputs(base, target), rank);
            finite(a.name(), a.tensor());
            finite(b.name(), b.tensor());
            if (a.tensor().dtype() != b.tensor().dtype()) {
                throw bad("%s has lora_A of %s and lora_B of %s"
                        .formatted(module, a.tensor().dtype(), b.tensor().dtype()));
            }
            if (magnitude != null) {
                shape(magnitude, AdapterModules.outputs(base, target));
                finite(magnitude.name(), magnitude.tensor());
            }
            return new LoraWeights.Factors(
                    target,
                    a.tensor(),
                    b.tensor(),
                    config.scale(module),
                    magnitude == null ? null : magnitude.tensor());
        }

        private static void shape(StoredTensor tensor, long... axes) {
            boolean right = tensor.shape().rank() == axes.length;
            for (int i = 0; right && i < axes.length; i++) {
                right = tensor.shape().axis(i) == axes[i];
            }
            if (!right) {
                throw bad("tensor %s has shape %s, the base model and the rank need %s"
                        .formatted(tensor.name(), tensor.shape(), Arrays.toString(axes)));
            }
        }
    }

    /** Refuses NaN and infinity: they would poison every sequence of the adapter. */
    private static void finite(String name, Tensor tensor) {
        long count = tensor.shape().elements();
        DType dtype = tensor.dtype();
        if (dtype != DType.F32 && dtype != DType.F16 && dtype != DType.BF16) {
            throw bad("tensor %s has type %s; F32, F16 and BF16 are supported".formatted(name, dtype));
        }
        for (long i = 0; i < count; i++) {
            float value = value(tensor, i);
            if (!Float.isFinite(value)) {
                throw bad("tensor %s holds %s at element %d".formatted(name, value, i));
            }
        }
    }

    /** Element {@code i} of a tensor of 16- or 32-bit floats. */
    public static float value(Tensor tensor, long i) {
        return switch (tensor.dtype()) {
            case F32 -> tensor.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * i);
            case BF16 -> Float.intBitsToFloat(tensor.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i) << 16);
            case F16 -> Float.float16ToFloat(tensor.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i));
            case I64, I32, U8 -> throw bad("a tensor has type " + tensor.dtype());
        };
    }

    private static ServingException bad(String what) {
        return new ServingException(ErrorCode.INVALID_REQUEST, "adapter: " + what);
    }

    // ---- writing

    /**
     * What a trained adapter's configuration says.
     *
     * @param base name of the base model
     * @param projections last parts of module names
     */
    public record Description(
            String base, int rank, double alpha, boolean rsLora, double dropout, List<String> projections) {}

    /** Writes both files into an existing folder. */
    public static void write(Path folder, Description description, LoraWeights weights, ModelConfig base)
            throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (LoraWeights.Factors factor : weights.factors()) {
            String module = PREFIX + AdapterModules.name(base, factor.target());
            tensors.put(module + A, factor.a());
            tensors.put(module + B, factor.b());
            if (factor.magnitude() != null) {
                tensors.put(module + MAGNITUDE, factor.magnitude());
            }
        }
        weights.replacements()
                .forEach((target, tensor) ->
                        tensors.put(PREFIX + AdapterModules.name(base, target) + ".weight", tensor));
        SafetensorsWriter.write(folder.resolve(WEIGHTS), tensors, Map.of("format", "pt"));
        Files.write(folder.resolve(CONFIG), json(description, weights, base));
    }

    private static byte[] json(Description description, LoraWeights weights, ModelConfig base) {
        ObjectNode json = Json.MAPPER.createObjectNode();
        json.put("peft_type", "LORA");
        json.put("task_type", "CAUSAL_LM");
        json.put("base_model_name_or_path", description.base());
        json.put("inference_mode", true);
        json.put("r", description.rank());
        json.put("lora_alpha", description.alpha());
        json.put("lora_dropout", description.dropout());
        json.put("use_rslora", description.rsLora());
        json.put("use_dora", weights.factors().stream().anyMatch(factor -> factor.magnitude() != null));
        json.put("bias", "none");
        json.put("fan_in_fan_out", false);
        json.put("init_lora_weights", true);
        ObjectNode ranks = json.putObject("rank_pattern");
        ObjectNode alphas = json.putObject("alpha_pattern");
        double common = description.rsLora() ? Math.sqrt(description.rank()) : description.rank();
        for (LoraWeights.Factors factor : weights.factors()) {
            String module = AdapterModules.name(base, factor.target());
            if (factor.rank() != description.rank()) {
                ranks.put(module, factor.rank());
            }
            double alpha = factor.scale() * (description.rsLora() ? Math.sqrt(factor.rank()) : factor.rank());
            if (factor.rank() != description.rank() || factor.scale() != (float) (description.alpha() / common)) {
                alphas.put(module, alpha);
            }
        }
        ArrayNode targets = json.putArray("target_modules");
        description.projections().forEach(targets::add);
        ArrayNode saved = json.putArray("modules_to_save");
        for (int target : new TreeMap<>(weights.replacements()).keySet()) {
            saved.add(target == LoraTargets.head(base.layers()) ? "lm_head" : "embed_tokens");
        }
        if (saved.isEmpty()) {
            json.putNull("modules_to_save");
        }
        json.putNull("layers_to_transform");
        try {
            return Json.MAPPER
                    .writerWithDefaultPrettyPrinter()
                    .writeValueAsString(json)
                    .getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("adapter configuration can't be written", e);
        }
    }
}
