package dev.nightshift.tuning;

import dev.nightshift.adapter.AdapterOrigin;
import dev.nightshift.adapter.AdapterRegistry;
import dev.nightshift.adapter.AdapterVersion;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** The adapter registry as jobs see it; there once the model is loaded. */
public final class RegistryShelf implements AdapterShelf {
    private volatile AdapterRegistry registry;
    private volatile String base = "";

    /** @param baseName which no adapter may have */
    public void attach(AdapterRegistry adapters, String baseName) {
        base = baseName;
        registry = adapters;
    }

    private AdapterRegistry registry() {
        if (registry == null) {
            throw new ServingException(ErrorCode.UNAVAILABLE, "the model still loads");
        }
        return registry;
    }

    @Override
    public Path stage() {
        return registry().stage();
    }

    @Override
    public void publish(
            Path staged, String name, String alias, String job, Instant created, Map<String, Double> evaluation) {
        AdapterVersion version =
                registry().publish(staged, name, new AdapterOrigin("", "", job, created, "", evaluation));
        registry().alias(alias, version.id());
    }

    /** A checkpoint is a version of an adapter of its own, which no list shows, so that {@code suffix} never means one. */
    @Override
    public void publishCheckpoint(Path staged, String alias, String job, Instant created) {
        String name = job + alias.substring(alias.lastIndexOf(':')).replace(":ckpt", "");
        publish(staged, name, alias, job, created, Map.of());
    }

    @Override
    public Optional<Path> folder(String model) {
        return registry().find(model).map(found -> registry().folder(model));
    }

    @Override
    public void checkName(String name) {
        if (name.equals(base)) {
            throw new ServingException(ErrorCode.CONFLICT, "suffix: '%s' is the base model's name".formatted(name))
                    .withParam("suffix");
        }
    }
}
