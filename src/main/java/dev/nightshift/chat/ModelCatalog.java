package dev.nightshift.chat;

import dev.nightshift.engine.AdapterBinding;
import java.util.List;

/** The names that a request's {@code model} may have, and what each runs with. Thread-safe. */
public interface ModelCatalog {

    /** Every name that is served now, the base model's first. */
    List<String> ids();

    /**
     * What a sequence of this model runs with; the caller sees to its release, or gives it to the engine, which does. May take
     * the time that reading an adapter takes. Throws MODEL_NOT_FOUND, naming what there is.
     */
    AdapterBinding acquire(String model);
}
