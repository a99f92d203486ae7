package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.Objects;
import java.util.Optional;

/**
 * What a model says about its tokens and prompts.
 *
 * @param json content of {@code tokenizer.json}; not to be changed
 * @param bos text of the special token, where the model names one; eos, pad, unk alike
 */
public record TokenizerFiles(
        byte[] json,
        ChatTemplates templates,
        Optional<String> bos,
        Optional<String> eos,
        Optional<String> pad,
        Optional<String> unk) {
    public TokenizerFiles {
        Objects.requireNonNull(json, "json is null");
        Objects.requireNonNull(templates, "templates is null");
    }

    static TokenizerFiles read(ModelFiles files) {
        byte[] json = files.read("tokenizer.json").orElseThrow(() -> missing(files));
        JsonNode config = object(files, "tokenizer_config.json");
        JsonNode map = object(files, "special_tokens_map.json");
        return new TokenizerFiles(
                json,
                ChatTemplates.read(files, config),
                token("bos_token", config, map),
                token("eos_token", config, map),
                token("pad_token", config, map),
                token("unk_token", config, map));
    }

    private static ServingException missing(ModelFiles files) {
        String hint = files.list("").contains("tokenizer.model")
                ? "; its tokenizer.model (SentencePiece) can be converted by transformers' AutoTokenizer.save_pretrained"
                : "";
        return new ServingException(
                ErrorCode.INVALID_REQUEST, "%s has no tokenizer.json%s".formatted(files.place(), hint));
    }

    private static JsonNode object(ModelFiles files, String name) {
        return files.read(name)
                .map(content -> Json.object(name, content))
                .orElseGet(JsonNodeFactory.instance::objectNode);
    }

    /** A token as a string, or as an object with its text under {@code content}. */
    private static Optional<String> token(String key, JsonNode config, JsonNode map) {
        // A null in tokenizer_config.json is an answer: the model has no such token.
        JsonNode node = config.has(key) ? config.get(key) : map.path(key);
        JsonNode text = node.isObject() ? node.path("content") : node;
        return text.isTextual() ? Optional.of(text.asText()) : Optional.empty();
    }
}
