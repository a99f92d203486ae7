package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.WeightSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;

/**
 * Names to immutable versions, and versions to places: disk, host memory, device. Thread-safe. Names are under one monitor that is
 * never held while an adapter is read; changes of what lies on disk are one at a time.
 */
public final class AdapterRegistry implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(AdapterRegistry.class.getName());
    private static final Pattern FINE_TUNED = Pattern.compile("ft:[A-Za-z0-9][A-Za-z0-9:._@/-]{0,250}");

    private final AdapterOptions options;
    private final AdapterFolders folders;
    private final AdapterSlots slots;
    private final HostCopies copies;
    private final VersionLives lives;
    private final AdapterChanges changes;
    private final FolderScan scan;
    private final FolderWatch watch;
    private final NameTable names = new NameTable();
    private final AtomicLong tickets = new AtomicLong();
    /** Held while something changes on disk; taken before the names' monitor. */
    private final Object disk = new Object();

    private AdapterRegistry(
            AdapterOptions options, WeightSource base, AdapterSlots slots, Runnable wake, AdapterStore store) {
        this.options = options;
        this.folders = new AdapterFolders(options.root());
        this.slots = slots;
        this.copies = new HostCopies(store, base, options, slots.arenaBytes(), this::isPinned, wake);
        this.lives = new VersionLives(names, slots, copies, this::isPinned);
        this.changes = new AdapterChanges(options, folders, names, lives, copies);
        this.scan = new FolderScan(options, folders, names, lives);
        this.watch = new FolderWatch(folders.root(), options.scanInterval(), this::scan);
    }

    /**
     * Opens a folder; what lies there is served when this returns.
     *
     * @param base weights that stay readable until {@link #close}, for the gains of DoRA
     * @param wake lets the engine look for work, when an adapter that it waits for has been read
     */
    public static AdapterRegistry open(AdapterOptions options, WeightSource base, AdapterSlots slots, Runnable wake) {
        return open(options, base, slots, wake, PeftAdapter::read);
    }

    static AdapterRegistry open(
            AdapterOptions options, WeightSource base, AdapterSlots slots, Runnable wake, AdapterStore store) {
        AdapterRegistry registry = new AdapterRegistry(options, base, slots, wake, store);
        try {
            registry.folders.clean();
            NameRecord.readAll(registry.folders.records()).forEach(registry.names::put);
        } catch (IOException e) {
            throw AdapterFolders.failed("nightshift.adapters %s can't be used".formatted(options.root()), e);
        }
        registry.scan();
        for (String id : options.pinned()) {
            registry.resolve(id)
                    .ifPresentOrElse(
                            registry.copies::request,
                            () -> LOG.log(System.Logger.Level.WARNING, "pinned adapter {0} does not exist", id));
        }
        registry.watch.start();
        return registry;
    }

    private Optional<Version> resolve(String id) {
        synchronized (names) {
            return names.resolve(id);
        }
    }

    private boolean isPinned(Version version) {
        return options.pinned().contains(version.name) || options.pinned().contains(version.id());
    }

    // ---- what is there

    /** Every adapter name and alias that is served now, sorted. */
    public List<AdapterView> list() {
        synchronized (names) {
            return names.names().stream()
                    .map(name -> view(name, names.resolve(name).orElseThrow()))
                    .toList();
        }
    }

    /** What an id (name, alias, {@code ft:} name, {@code name@number}) means now. */
    public Optional<AdapterView> find(String id) {
        synchronized (names) {
            return names.resolve(id).map(version -> view(id, version));
        }
    }

    /** All versions of an adapter, newest first, those that still drain included; NOT_FOUND if there is none of that name. */
    public List<AdapterVersion> versions(String name) {
        List<Version> versions;
        synchronized (names) {
            versions = new ArrayList<>(names.versions(name));
        }
        versions.addAll(lives.retiring(name));
        if (versions.isEmpty()) {
            throw VersionLives.unknown(ErrorCode.NOT_FOUND, name);
        }
        return versions.stream()
                .sorted(Comparator.comparingInt((Version version) -> version.number)
                        .reversed())
                .map(lives::snapshot)
                .toList();
    }

    private AdapterView view(String id, Version version) {
        boolean exact = id.equals(version.id()) && !names.isNamed(id);
        return new AdapterView(id, !exact && !names.isAdapter(id), exact || names.pinned(id), lives.snapshot(version));
    }

    /** Folder of the version that an id means now; its files must not be changed. */
    public Path folder(String id) {
        return resolve(id)
                .orElseThrow(() -> VersionLives.unknown(ErrorCode.MODEL_NOT_FOUND, id))
                .folder();
    }

    /** Host memory that adapters take now. */
    public long hostBytes() {
        return copies.bytes();
    }

    /** Which adapters requests hold now. */
    public AdaptersInUse inUse() {
        return lives.inUse();
    }

    /** What the adapters take and did. */
    public AdapterStatistics statistics() {
        List<Version> versions;
        synchronized (names) {
            versions = names.all();
        }
        return new AdapterStatistics(
                versions.size(),
                (int) versions.stream()
                        .filter(version -> version.state() == AdapterState.FAILED)
                        .count(),
                slots.count(),
                slots.occupied(),
                slots.arenaBytes(),
                slots.usedBytes(),
                copies.bytes(),
                copies.loads(),
                copies.loadNanos(),
                copies.failures(),
                slots.placements(),
                slots.evictions(),
                copies.evictions());
    }

    // ---- requests

    /** Resolves an id once and holds the version; reads it if need be. MODEL_NOT_FOUND, or the reason why it can't be served. */
    public AdapterLease acquire(String id) {
        Version version = lives.hold(id).orElseThrow(() -> VersionLives.unknown(ErrorCode.MODEL_NOT_FOUND, id));
        AdapterLease lease = new AdapterLease(lives, version, tickets.getAndIncrement());
        boolean ready = false;
        try {
            lives.ready(version);
            ready = true;
            return lease;
        } finally {
            if (!ready) {
                lease.close();
            }
        }
    }

    // ---- changes

    /** An empty folder below the root, on the same file system, for an upload that is published or thrown away. */
    public Path stage() {
        return folders.stage();
    }

    /** Throws a staged folder away. */
    public void discard(Path staged) {
        changes.discard(staged);
    }

    /**
     * Checks a staged PEFT folder and makes it the next version of {@code name}, at once and durably; the staged folder is gone
     * after it, whether it was published or refused. The origin's base is filled in.
     */
    public AdapterVersion publish(Path staged, String name, AdapterOrigin origin) {
        HostCopies.Checked checked = null;
        try {
            checkName(name);
            AdapterOrigin complete = changes.complete(origin);
            checked = copies.check(staged, name);
            new AdapterRecord(checked.digest(), complete).write(staged);
            synchronized (disk) {
                AdapterVersion version = changes.publish(staged, name, complete, checked);
                checked = null;
                return version;
            }
        } catch (IOException e) {
            throw AdapterFolders.failed("adapter %s can't be published".formatted(name), e);
        } finally {
            if (checked != null) {
                checked.copy().arena().close();
            }
            changes.discard(staged);
        }
    }

    private void checkName(String name) {
        AdapterFolders.checkedName(name);
        if (name.equals(options.base())) {
            throw new ServingException(ErrorCode.CONFLICT, "'%s' is the base model's name".formatted(name));
        }
    }

    /**
     * Reads a PEFT folder below the root and serves it under a name until the server stops. UNAVAILABLE if that takes longer than
     * {@link AdapterOptions#loadTimeout}; what comes after it is thrown away.
     *
     * @param path relative to the root, or absolute below it
     * @param inPlace replaces what is served under the name, reading the files again; else CONFLICT
     */
    public AdapterVersion load(String name, String path, boolean inPlace) {
        checkName(name);
        if (!inPlace) {
            changes.refuseServed(name);
        }
        String shown = path.length() > 200 ? path.substring(0, 200) + "..." : path;
        AdapterChanges.Loaded loaded = copies.within(
                "adapter %s: '%s'".formatted(name, shown),
                () -> changes.read(name, folders.below(path)),
                AdapterChanges.Loaded::close);
        synchronized (disk) {
            try (loaded) {
                if (!inPlace) {
                    changes.refuseServed(name);
                }
                return changes.load(name, loaded);
            }
        }
    }

    /** Stops serving a name; what runs with it ends first. Files stay. NOT_FOUND if it is not served. */
    public void unload(String name) {
        synchronized (disk) {
            changes.unload(name);
        }
    }

    /** Deletes an adapter with all its versions, one version ({@code name@number}) or an alias, from disk too. */
    public void delete(String id) {
        synchronized (disk) {
            try {
                changes.delete(id);
            } catch (IOException e) {
                throw AdapterFolders.failed("adapter %s can't be deleted".formatted(id), e);
            }
        }
    }

    /** Lets a name mean {@code target}: an adapter's name, or a version {@code name@number}. */
    public AdapterView alias(String name, String target) {
        if (!FINE_TUNED.matcher(name).matches() || name.equals(options.base())) {
            checkName(name);
        }
        synchronized (disk) {
            try {
                return shown(name, changes.alias(name, target));
            } catch (IOException e) {
                throw AdapterFolders.failed("what %s means can't be kept".formatted(name), e);
            }
        }
    }

    /** Lets a name mean what it meant before the last publish, alias or rollback. */
    public AdapterView rollback(String name) {
        synchronized (disk) {
            try {
                return shown(name, changes.rollback(name));
            } catch (IOException e) {
                throw AdapterFolders.failed("what %s means can't be kept".formatted(name), e);
            }
        }
    }

    private AdapterView shown(String name, Version version) {
        synchronized (names) {
            return view(name, version);
        }
    }

    /** Looks through the folder now; the watch does it by itself a moment after a change. */
    public void scan() {
        synchronized (disk) {
            scan.run();
        }
    }

    /** Stops watching and reading. The engine must have ended. */
    @Override
    public void close() {
        watch.close();
        copies.close();
    }
}
