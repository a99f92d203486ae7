package dev.nightshift.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Assumptions;

/** What the tokenizers and transformers libraries gave for seven tokenizers. */
final class Goldens {
    static final Path FOLDER = Path.of("../shared/golden/tokenizers");
    private static final Path MODELS = Path.of("../shared/models");
    private static final ObjectMapper JSON = new ObjectMapper();

    private static final Map<String, Tokenizer> LOADED = new ConcurrentHashMap<>();

    static final List<String> NAMES = List.of(
            "llama2-bpe",
            "mistral-metaspace-bpe",
            "llama3-bpe",
            "qwen2-bpe",
            "unigram-metaspace",
            "nightshift-tiny",
            "smollm2-135m-instruct-bnb-4bit");

    private Goldens() {}

    static Path tokenizerJson(String name) {
        Path own = FOLDER.resolve(name).resolve("tokenizer.json");
        Path file = Files.exists(own) ? own : MODELS.resolve(name).resolve("tokenizer.json");
        Assumptions.assumeTrue(Files.exists(file), file + " is not here");
        return file;
    }

    static Tokenizer tokenizer(String name) {
        Path file = tokenizerJson(name);
        return LOADED.computeIfAbsent(name, key -> Tokenizer.load(file));
    }

    static JsonNode golden(String name) throws IOException {
        return JSON.readTree(FOLDER.resolve(name).resolve("golden.json").toFile());
    }

    static Map<String, String> texts() throws IOException {
        Path file = FOLDER.resolve("texts.json");
        Assumptions.assumeTrue(Files.exists(file), file + " is not here");
        Map<String, String> texts = new LinkedHashMap<>();
        JSON.readTree(file.toFile())
                .properties()
                .forEach(entry -> texts.put(entry.getKey(), entry.getValue().asText()));
        return texts;
    }

    static int[] ids(JsonNode array) {
        int[] ids = new int[array.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = array.get(i).intValue();
        }
        return ids;
    }
}
