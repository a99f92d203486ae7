package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.WeightSource;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A Hugging Face folder of a base model with an adapter in its weights, all in bfloat16. A file holds one layer, so that no more
 * than a layer is in memory at a time.
 */
public final class MergedModel {
    private static final String CONFIG = "config.json";
    private static final String INDEX = "model.safetensors.index.json";

    private final Path folder;
    private final WeightSource base;
    private final ModelConfig config;
    private final LoraWeights adapter;
    private final MergeProgress progress;
    private final Map<String, String> fileOf = new LinkedHashMap<>();
    private final List<String> written = new ArrayList<>();
    private int shards;
    private long bytes;

    private MergedModel(Path folder, WeightSource base, LoraWeights adapter, MergeProgress progress) {
        this.folder = folder;
        this.base = base;
        this.config = base.config();
        this.adapter = adapter;
        this.progress = progress;
    }

    /**
     * What was written.
     *
     * @param bytes of all tensors
     */
    public record Written(List<String> files, long bytes) {
        public Written {
            files = List.copyOf(files);
        }
    }

    /** Bytes that the tensors of a merged model take, roughly: biases are left out. */
    public static long estimate(ModelConfig config) {
        long parameters = 0;
        for (int target = 0; target < LoraTargets.count(config.layers()); target++) {
            parameters += (long) AdapterModules.outputs(config, target) * AdapterModules.inputs(config, target);
        }
        return 2 * parameters;
    }

    /**
     * Writes into an empty folder.
     *
     * @param companions the base's files beside its tensors, {@code config.json} among them
     */
    public static Written write(
            Path folder, WeightSource base, LoraWeights adapter, Map<String, byte[]> companions, MergeProgress progress)
            throws IOException {
        if (!companions.containsKey(CONFIG)) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "the base model has no " + CONFIG + ": its weights are drawn, not stored");
        }
        MergedModel model = new MergedModel(folder, base, adapter, progress);
        model.tensors();
        model.index();
        for (Map.Entry<String, byte[]> file : companions.entrySet()) {
            byte[] content = file.getKey().equals(CONFIG) ? model.configuration(file.getValue()) : file.getValue();
            model.write(file.getKey(), content);
        }
        return new Written(model.written, model.bytes);
    }

    private void tensors() throws IOException {
        int files = shardsTotal();
        try (Arena arena = Arena.ofShared()) {
            Weight embedding = base.embedding(arena);
            int target = LoraTargets.embedding(config.layers());
            shard(1, files, Map.of(AdapterModules.EMBEDDING + ".weight", matrix(target, embedding, arena)));
        }
        for (int i = 0; i < config.layers(); i++) {
            try (Arena arena = Arena.ofShared()) {
                shard(i + 2, files, layer(i, base.layer(i, arena), arena));
            }
        }
        try (Arena arena = Arena.ofShared()) {
            Map<String, Tensor> last = new LinkedHashMap<>();
            vector(last, "model.norm.weight", base.finalNorm(arena), arena);
            if (!tied()) {
                Weight head = base.head(base.embedding(arena), arena);
                last.put(AdapterModules.HEAD + ".weight", matrix(LoraTargets.head(config.layers()), head, arena));
            }
            shard(files, files, last);
        }
    }

    private int shardsTotal() {
        return config.layers() + 2;
    }

    /** An adapter that changes one of the two gives them weights of their own. */
    private boolean tied() {
        int head = LoraTargets.head(config.layers());
        int embedding = LoraTargets.embedding(config.layers());
        return config.tiedEmbeddings()
                && !adapter.replacements().containsKey(head)
                && !adapter.replacements().containsKey(embedding)
                && factors(head) == null;
    }

    private Map<String, Tensor> layer(int layer, LayerWeights weights, Arena arena) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        String prefix = "model.layers." + layer + ".";
        vector(tensors, prefix + "input_layernorm.weight", weights.inputNorm(), arena);
        vector(tensors, prefix + "post_attention_layernorm.weight", weights.postNorm(), arena);
        vector(tensors, prefix + "self_attn.q_norm.weight", weights.qNorm(), arena);
        vector(tensors, prefix + "self_attn.k_norm.weight", weights.kNorm(), arena);
        linears(tensors, LoraTargets.of(layer, LoraTargets.Q), weights.qkv(), weights.qkvBias(), arena);
        linears(tensors, LoraTargets.of(layer, LoraTargets.O), weights.output(), weights.outputBias(), arena);
        linears(tensors, LoraTargets.of(layer, LoraTargets.GATE), weights.gateUp(), weights.gateUpBias(), arena);
        linears(tensors, LoraTargets.of(layer, LoraTargets.DOWN), weights.down(), weights.downBias(), arena);
        return tensors;
    }

    /** The parts of a linear, which are consecutive targets, with their shares of the bias. */
    private void linears(Map<String, Tensor> tensors, int first, Weight weight, Tensor bias, Arena arena) {
        List<Weight> parts = weight instanceof Weight.Fused fused ? fused.parts() : List.of(weight);
        int row = 0;
        for (int i = 0; i < parts.size(); i++) {
            Weight part = parts.get(i);
            String module = AdapterModules.name(config, first + i);
            tensors.put(module + ".weight", matrix(first + i, part, arena));
            if (bias != null) {
                vector(tensors, module + ".bias", bias.rows(row, row + part.rows()), arena);
            }
            row += part.rows();
        }
    }

    private void vector(Map<String, Tensor> tensors, String name, Tensor values, Arena arena) {
        if (values != null) {
            Tensor rounded = MergedLinear.rounded(values, arena);
            tensors.put(name, rounded);
            bytes += rounded.bytes();
        }
    }

    private Tensor matrix(int target, Weight weight, Arena arena) {
        Tensor replacement = adapter.replacements().get(target);
        Tensor merged = replacement != null
                ? MergedLinear.rounded(replacement, arena)
                : MergedLinear.merge(AdapterModules.name(config, target), weight, factors(target), arena);
        bytes += merged.bytes();
        progress.advanced(shards, shardsTotal(), bytes);
        return merged;
    }

    private LoraWeights.Factors factors(int target) {
        return adapter.factors().stream()
                .filter(factors -> factors.target() == target)
                .findFirst()
                .orElse(null);
    }

    private void shard(int number, int count, Map<String, Tensor> tensors) throws IOException {
        String name = "model-%05d-of-%05d.safetensors".formatted(number, count);
        SafetensorsWriter.write(folder.resolve(name), tensors, Map.of("format", "pt"));
        written.add(name);
        tensors.keySet().forEach(tensor -> fileOf.put(tensor, name));
        shards++;
        progress.advanced(shards, shardsTotal(), bytes);
    }

    private void index() throws IOException {
        ObjectNode index = Json.MAPPER.createObjectNode();
        index.putObject("metadata").put("total_size", bytes);
        ObjectNode map = index.putObject("weight_map");
        fileOf.forEach(map::put);
        write(INDEX, Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(index));
    }

    /** The base's, without what says how it was quantised. */
    private byte[] configuration(byte[] content) throws IOException {
        ObjectNode json = (ObjectNode) Json.object(CONFIG, content);
        json.remove("quantization_config");
        json.put(json.has("dtype") ? "dtype" : "torch_dtype", "bfloat16");
        json.put("tie_word_embeddings", tied());
        return Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(json);
    }

    private void write(String name, byte[] content) throws IOException {
        Files.write(folder.resolve(name), content);
        written.add(name);
    }
}
