package dev.nightshift.tuning;

import dev.nightshift.failure.ServingException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** Where trained adapters go live, and earlier ones are found. */
public interface AdapterShelf {
    /** An empty folder for an adapter that is to be published. */
    Path stage();

    /**
     * Makes a staged folder the next version of {@code name}, served from now on.
     *
     * @param alias further name that stays pinned to this version
     * @param evaluation numbers to keep with it
     */
    void publish(Path staged, String name, String alias, String job, Instant created, Map<String, Double> evaluation);

    /** Makes a staged folder servable under {@code alias} alone. */
    void publishCheckpoint(Path staged, String alias, String job, Instant created);

    /** Folder of a served adapter, by any of its names. */
    Optional<Path> folder(String model);

    /** Whether a job has published under this alias already: it may have been killed between that and its own row. */
    default boolean published(String alias) {
        return folder(alias).isPresent();
    }

    /** Refuses a name that no adapter may have. */
    void checkName(String name) throws ServingException;
}
