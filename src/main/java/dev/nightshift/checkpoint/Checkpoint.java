package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.quant.FourBitQuantiser;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * An open base model: configuration, weights, tokenizer, templates, generation defaults. All that can be wrong with its files is
 * found when it is opened. Weights are views of mapped files and end with {@link #close}.
 */
public final class Checkpoint implements AutoCloseable {
    /** What a folder needs beside its tensors to be a model. */
    private static final List<String> COMPANIONS = List.of(
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "chat_template.jinja",
            "chat_template.json");

    private final Arena arena;
    private final String name;
    private final CheckpointWeights weights;
    private final TokenizerFiles tokenizer;
    private final GenerationDefaults generation;
    private final List<String> notes;
    private final StableDigest digest;
    private final Supplier<Map<String, byte[]>> companions;

    private Checkpoint(
            Arena arena,
            String name,
            CheckpointWeights weights,
            TokenizerFiles tokenizer,
            GenerationDefaults generation,
            List<String> notes,
            Supplier<String> digest,
            Supplier<Map<String, byte[]>> companions) {
        this.arena = arena;
        this.name = name;
        this.weights = weights;
        this.tokenizer = tokenizer;
        this.generation = generation;
        this.notes = List.copyOf(notes);
        this.digest = new StableDigest(digest);
        this.companions = companions;
    }

    /** Opens a model; downloads it first if it is a hub's. */
    public static Checkpoint open(ModelSource source, LoadOptions options, LoadProgress progress) {
        return switch (source) {
            case ModelSource.Embedded _ -> open(new EmbeddedFiles(), source.modelId(), options);
            case ModelSource.Folder folder -> open(new FolderFiles(folder.path()), source.modelId(), options);
            case ModelSource.Hub hub -> {
                Path snapshot = new HubRepository(options.hub(), hub.id(), hub.revision()).snapshot(progress);
                yield open(new FolderFiles(snapshot), source.modelId(), options);
            }
            case ModelSource.Random random -> random(random, options);
        };
    }

    private static Checkpoint open(ModelFiles files, String name, LoadOptions options) {
        JsonNode json = Json.object(
                "config.json",
                files.read("config.json")
                        .orElseThrow(() -> new ServingException(
                                ErrorCode.INVALID_REQUEST, "%s has no config.json".formatted(files.place()))));
        ModelConfig config = ConfigReader.read(json);
        Arena arena = Arena.ofShared();
        try {
            TensorFiles tensors = TensorFiles.open(files, arena);
            StoredWeights weights = new StoredWeights(tensors, config, options.quantisation(), arena);
            return new Checkpoint(
                    arena,
                    name,
                    weights,
                    TokenizerFiles.read(files),
                    GenerationDefaults.read(files, json),
                    notes(weights, options),
                    () -> ModelDigest.compute(config, tensors, files.fingerprint(tensors.paths()), options.cache()),
                    () -> companions(files));
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static List<String> notes(StoredWeights weights, LoadOptions options) {
        List<String> notes = new ArrayList<>();
        if (weights.quantises()) {
            notes.add("16-bit linears are quantised to %s with double quantisation".formatted(options.quantisation()));
        }
        List<String> unused = weights.unused();
        if (!unused.isEmpty()) {
            notes.add("%d tensors have no place in this architecture and are left out, the first is %s"
                    .formatted(unused.size(), unused.getFirst()));
        }
        return notes;
    }

    /** Drawn weights; they speak through the embedded model's tokenizer and never end by themselves. */
    private static Checkpoint random(ModelSource.Random source, LoadOptions options) {
        ModelFiles files = new EmbeddedFiles();
        ModelConfig config = source.shape().config();
        FourBitQuantiser quantiser = options.quantisation()
                .quantiser()
                .orElseThrow(() -> new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "model %s is drawn in 4 bits; quantisation none is not supported for it"
                                .formatted(source.modelId())));
        JsonNode embedded = Json.object("config.json", files.read("config.json").orElseThrow());
        int knownTokens = ConfigReader.read(embedded).vocabSize();
        return new Checkpoint(
                Arena.ofShared(),
                source.modelId(),
                new RandomWeights(config, source.seed(), knownTokens, quantiser),
                TokenizerFiles.read(files),
                GenerationDefaults.NONE,
                List.of("weights are drawn from seed %d: answers mean nothing".formatted(source.seed())),
                () -> ModelDigest.of(
                        config, "random:%s:%d:%s".formatted(source.shape().id(), source.seed(), quantiser.code())),
                Map::of);
    }

    private static Map<String, byte[]> companions(ModelFiles files) {
        Map<String, byte[]> found = new TreeMap<>();
        COMPANIONS.forEach(name -> files.read(name).ifPresent(content -> found.put(name, content)));
        return found;
    }

    /** Id under which it is served unless a setting names another. */
    public String name() {
        return name;
    }

    public ModelConfig config() {
        return weights.config();
    }

    public CheckpointWeights weights() {
        return weights;
    }

    public TokenizerFiles tokenizer() {
        return tokenizer;
    }

    public GenerationDefaults generation() {
        return generation;
    }

    /** The files beside the tensors by name, as they are; empty where weights are drawn. */
    public Map<String, byte[]> companions() {
        return companions.get();
    }

    /** Lines for the start-up log: what is done to the weights, what is left out. */
    public List<String> notes() {
        return notes;
    }

    /**
     * SHA-256 (hex) over configuration and all tensors as they are stored; adapters name their base by it. The first call reads
     * every byte unless the digest is cached.
     */
    public String digest() {
        return digest.get();
    }

    /** The embedded model's tokenizer.json. */
    public static byte[] embeddedTokenizer() {
        return new EmbeddedFiles().read("tokenizer.json").orElseThrow();
    }

    /** Computed once, when it is first asked for. */
    private static final class StableDigest {
        private final Supplier<String> source;
        private String value;

        StableDigest(Supplier<String> source) {
            this.source = source;
        }

        synchronized String get() {
            if (value == null) {
                value = source.get();
            }
            return value;
        }
    }

    /** Ends all views of the files. */
    @Override
    public void close() {
        arena.close();
    }
}
