package dev.nightshift.adapter;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Names to immutable versions. Thread-safe. */
public interface AdapterRegistry extends AutoCloseable {
    /** Every adapter name and alias that is served now, sorted. */
    List<AdapterView> list();

    /** What an id (name, alias, {@code ft:} name, {@code name@number}) means now. */
    Optional<AdapterView> find(String id);

    /** All versions of an adapter, newest first; NOT_FOUND if there is none of that name. */
    List<AdapterVersion> versions(String name);

    /** Resolves an id once and holds the version; reads it if need be. MODEL_NOT_FOUND, or the reason why it can't be served. */
    AdapterLease acquire(String id);

    /** An empty folder below the root, on the same file system, for an upload that is published or thrown away. */
    Path stage();

    /**
     * Checks a staged PEFT folder and makes it the next version of {@code name}, at once and durably; the staged folder is gone
     * after it, whether it was published or refused.
     */
    AdapterVersion publish(Path staged, String name, AdapterOrigin origin);

    /**
     * Serves a PEFT folder below the root under a name until the server stops.
     *
     * @param path relative to the root, or absolute below it
     * @param inPlace replaces what is served under the name, reading the files again; else CONFLICT
     */
    AdapterVersion load(String name, String path, boolean inPlace);

    /** Stops serving a name; what runs with it ends first. Files stay. NOT_FOUND if it is not served. */
    void unload(String name);

    /** Deletes an adapter with all its versions, one version ({@code name@number}) or an alias, from disk too. */
    void delete(String id);

    /** Lets a name mean {@code target}: an adapter's name, or a version {@code name@number}. */
    AdapterView alias(String name, String target);

    /** Lets a name mean what it meant before the last publish, alias or rollback. */
    AdapterView rollback(String name);

    /** Folder of the version that an id means now; its files must not be changed. */
    Path folder(String id);

    @Override
    void close();
}
