package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.Objects;

/** The adapters of the resident model, which loads while the server is up already. Thread-safe. */
public final class ServedAdapters {
    private volatile AdapterLibrary library;

    /** The model is loaded, or another one takes its place. */
    public void ready(AdapterLibrary loaded) {
        library = Objects.requireNonNull(loaded, "loaded is null");
    }

    /** Throws UNAVAILABLE while the model loads. */
    public AdapterLibrary get() {
        AdapterLibrary loaded = library;
        if (loaded == null) {
            throw new ServingException(ErrorCode.UNAVAILABLE, "the model is loading")
                    .withRetryAfter(Duration.ofSeconds(2));
        }
        return loaded;
    }

    /** Ends what is being written of the model, before it goes. */
    public void close() {
        AdapterLibrary loaded = library;
        if (loaded != null) {
            loaded.close();
        }
    }
}
