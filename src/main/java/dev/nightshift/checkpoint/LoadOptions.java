package dev.nightshift.checkpoint;

import java.nio.file.Path;
import java.util.Objects;

/**
 * How a model is opened.
 *
 * @param quantisation what 16-bit linears become
 * @param hub where models named by a hub id come from
 * @param cache folder for digests of large files, computed once
 */
public record LoadOptions(Quantisation quantisation, HubSettings hub, Path cache) {
    public LoadOptions {
        Objects.requireNonNull(quantisation, "quantisation is null");
        Objects.requireNonNull(hub, "hub is null");
        Objects.requireNonNull(cache, "cache is null");
    }

    /** NF4, the hub and the cache folder as the environment says. */
    public static LoadOptions defaults() {
        String cacheHome = System.getenv("XDG_CACHE_HOME");
        Path root = cacheHome == null || cacheHome.isBlank()
                ? Path.of(System.getProperty("user.home"), ".cache")
                : Path.of(cacheHome);
        return new LoadOptions(Quantisation.NF4, HubSettings.of(System.getenv()), root.resolve("nightshift"));
    }

    public LoadOptions withQuantisation(Quantisation choice) {
        return new LoadOptions(choice, hub, cache);
    }
}
