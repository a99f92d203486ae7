package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * The embedded model for 128 positions with dynamic rope scaling by four, served with 512. Its template
 * refuses a word.
 */
public final class DynamicModel implements QuarkusTestResourceLifecycleManager {
    static final String NAME = "dynamic";
    static final int CONTEXT = 512;
    static final String REFUSAL = "this template takes no forbidden word";
    private static final String EMBEDDED = "/models/nightshift-tiny/";
    private static final List<String> FILES = List.of(
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
            "model.safetensors");

    private Path folder;

    @Override
    public Map<String, String> start() {
        try {
            folder =
                    Files.createDirectories(Files.createTempDirectory("dynamic").resolve(NAME));
            for (String file : FILES) {
                try (InputStream embedded = DynamicModel.class.getResourceAsStream(EMBEDDED + file)) {
                    Files.copy(embedded, folder.resolve(file));
                }
            }
            scale(folder.resolve("config.json"));
            Path template = folder.resolve("chat_template.jinja");
            Files.writeString(template, refusing() + Files.readString(template));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Map.of("nightshift.model", folder.toString(), "nightshift.max-context", Integer.toString(CONTEXT));
    }

    private static void scale(Path config) throws IOException {
        ObjectMapper json = new ObjectMapper();
        ObjectNode fields = (ObjectNode) json.readTree(config.toFile());
        fields.put("max_position_embeddings", 128);
        fields.withObject("/rope_parameters").put("rope_type", "dynamic").put("factor", 4.0);
        json.writeValue(config.toFile(), fields);
    }

    private static String refusing() {
        return "{%- for m in messages %}{%- if 'forbidden' in m['content'] %}{{ raise_exception('" + REFUSAL
                + "') }}{%- endif %}{%- endfor %}";
    }

    @Override
    public void stop() {
        try {
            for (String file : FILES) {
                Files.deleteIfExists(folder.resolve(file));
            }
            Files.deleteIfExists(folder);
            Files.deleteIfExists(folder.getParent());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
