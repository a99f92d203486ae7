package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The chat templates that a model comes with, by name, in the precedence of transformers: templates in files
 * ({@code chat_template.jinja}, {@code additional_chat_templates/*.jinja}) replace those in {@code tokenizer_config.json}, which
 * holds one as a string or several as a list of {@code name} and {@code template}.
 */
public record ChatTemplates(Map<String, String> byName) {
    public static final String DEFAULT = "default";
    public static final String TOOL_USE = "tool_use";

    private static final String FILE = "chat_template.jinja";
    private static final String FOLDER = "additional_chat_templates";
    private static final String SUFFIX = ".jinja";

    public ChatTemplates {
        byName = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(byName));
    }

    static ChatTemplates read(ModelFiles files, JsonNode tokenizerConfig) {
        Map<String, String> inFiles = new LinkedHashMap<>();
        files.read(FILE).ifPresent(content -> inFiles.put(DEFAULT, text(content)));
        for (String name : files.list(FOLDER)) {
            if (name.endsWith(SUFFIX)) {
                byte[] content = files.read(FOLDER + "/" + name).orElseThrow();
                inFiles.put(name.substring(0, name.length() - SUFFIX.length()), text(content));
            }
        }
        return new ChatTemplates(inFiles.isEmpty() ? configured(tokenizerConfig.path("chat_template")) : inFiles);
    }

    private static Map<String, String> configured(JsonNode node) {
        if (node.isTextual()) {
            return Map.of(DEFAULT, node.asText());
        }
        Map<String, String> templates = new LinkedHashMap<>();
        if (node.isArray()) {
            for (JsonNode entry : node) {
                if (!entry.path("name").isTextual() || !entry.path("template").isTextual()) {
                    throw new ServingException(
                            ErrorCode.INVALID_REQUEST,
                            "tokenizer_config.json: an entry of chat_template has no name or no template");
                }
                templates.put(entry.get("name").asText(), entry.get("template").asText());
            }
        } else if (node.isObject()) {
            node.properties()
                    .forEach(entry ->
                            templates.put(entry.getKey(), entry.getValue().asText()));
        }
        return templates;
    }

    private static String text(byte[] content) {
        return new String(content, StandardCharsets.UTF_8);
    }

    /** The template of a conversation: {@code tool_use} for one with tools where there is such a template, else the default. */
    public Optional<String> choose(boolean tools) {
        if (tools && byName.containsKey(TOOL_USE)) {
            return Optional.of(byName.get(TOOL_USE));
        }
        return Optional.ofNullable(byName.get(DEFAULT));
    }
}
