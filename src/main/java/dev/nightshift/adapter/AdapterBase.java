package dev.nightshift.adapter;

import dev.nightshift.checkpoint.Checkpoint;
import java.util.Objects;
import java.util.function.Supplier;

/**
 * The base model that the adapters belong to.
 *
 * @param name as it is served
 * @param checkpoint open as long as the library is used; its weights are those that are served
 * @param stored opens the same model with its linears as the files hold them; closed after use
 */
public record AdapterBase(String name, Checkpoint checkpoint, Supplier<Checkpoint> stored) {
    public AdapterBase {
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(checkpoint, "checkpoint is null");
        Objects.requireNonNull(stored, "stored is null");
    }

    /** Of its configuration and tensors. */
    String digest() {
        return checkpoint.digest();
    }
}
