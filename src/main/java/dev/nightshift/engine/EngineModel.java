package dev.nightshift.engine;

import dev.nightshift.model.KvCache;
import dev.nightshift.model.Llama;
import java.util.Objects;

/**
 * The model an engine runs.
 *
 * @param digest of its weights, for the prefix cache
 * @param endIds tokens that end a text ({@code eos_token_id} of {@code generation_config.json})
 */
public record EngineModel(Llama llama, KvCache kv, String digest, int[] endIds) {
    public EngineModel {
        Objects.requireNonNull(llama, "llama is null");
        Objects.requireNonNull(kv, "kv is null");
        Objects.requireNonNull(digest, "digest is null");
        endIds = endIds.clone();
    }
}
