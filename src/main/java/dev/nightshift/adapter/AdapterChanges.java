package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Changes of what is served, each durable when it returns; one at a time, under the registry's lock of the disk. */
final class AdapterChanges {
    private static final System.Logger LOG = System.getLogger(AdapterChanges.class.getName());

    private final AdapterOptions options;
    private final AdapterFolders folders;
    private final NameTable names;
    private final VersionLives lives;
    private final HostCopies copies;

    AdapterChanges(
            AdapterOptions options, AdapterFolders folders, NameTable names, VersionLives lives, HostCopies copies) {
        this.options = options;
        this.folders = folders;
        this.names = names;
        this.lives = lives;
        this.copies = copies;
    }

    // ---- publish

    /** The origin of a version that is made here. */
    AdapterOrigin complete(AdapterOrigin origin) {
        return new AdapterOrigin(
                options.base(),
                options.baseDigest(),
                origin.job(),
                origin.created(),
                origin.data(),
                origin.evaluation());
    }

    /** Takes the copy over if it returns. */
    AdapterVersion publish(Path staged, String name, AdapterOrigin origin, HostCopies.Checked checked)
            throws IOException {
        int number;
        NameRecord record;
        synchronized (names) {
            number = names.nextNumber(name);
            String before = names.resolve(name).map(Version::id).orElse("");
            record = names.record(name).to("", number, before);
        }
        // First, as a record of a version that never came does no harm.
        record.write(folders.records());
        Path folder = folders.publish(staged, name, number);
        String fingerprint = AdapterFolders.fingerprint(folder).orElse("");
        Version version = new Version(name, number, folder, checked.digest(), origin, false, fingerprint, false);
        serve(version, checked);
        synchronized (names) {
            names.put(version);
            names.put(record);
            names.setUnloaded(name, false);
        }
        return lives.snapshot(version);
    }

    private void serve(Version version, HostCopies.Checked checked) {
        var weights = checked.copy().weights();
        version.ready(checked.digest(), weights.rankMax(), HostCopy.deviceBytes(weights));
        copies.add(version, checked.copy());
    }

    // ---- load, unload

    void refuseServed(String name) {
        synchronized (names) {
            if (names.resolve(name).isPresent()) {
                throw new ServingException(
                        ErrorCode.CONFLICT, "adapter '%s' is loaded already; load_inplace replaces it".formatted(name));
            }
        }
    }

    /** All that is read of a folder before it is served, so that nothing is read under a lock. */
    static final class Loaded implements AutoCloseable {
        private final Path folder;
        private final Optional<AdapterRecord> record;
        private final AdapterOrigin origin;
        private final String fingerprint;
        private HostCopies.Checked checked;

        private Loaded(Path folder, Optional<AdapterRecord> record, HostCopies.Checked checked) {
            this.folder = folder;
            this.record = record;
            this.origin = record.map(AdapterRecord::origin)
                    .orElseGet(() -> AdapterOrigin.foreign(AdapterFolders.modified(folder)));
            this.fingerprint = AdapterFolders.fingerprint(folder).orElse("");
            this.checked = checked;
        }

        /** The adapter, which is the caller's from now on. */
        private HostCopies.Checked take() {
            HostCopies.Checked taken = checked;
            checked = null;
            return taken;
        }

        /** Gives the memory back if nobody has taken the adapter. */
        @Override
        public void close() {
            if (checked != null) {
                checked.copy().arena().close();
            }
        }
    }

    /** Reads and checks a folder, its record too. */
    Loaded read(String name, Path folder) {
        HostCopies.Checked checked = copies.check(folder, name);
        boolean whole = false;
        try {
            Optional<AdapterRecord> record = AdapterRecord.read(folder);
            record.ifPresent(given -> verify(given, name, checked));
            Loaded loaded = new Loaded(folder, record, checked);
            whole = true;
            return loaded;
        } finally {
            if (!whole) {
                checked.copy().arena().close();
            }
        }
    }

    /** Serves a folder that was read. */
    AdapterVersion load(String name, Loaded loaded) {
        Path folder = loaded.folder;
        Version own = null;
        List<Version> replaced;
        synchronized (names) {
            for (Version version : names.versions(name)) {
                if (version.folder().equals(folder) && !version.attached) {
                    own = version;
                }
            }
            replaced = own != null
                    ? List.of(own)
                    : names.versions(name).stream()
                            .filter(version -> version.attached)
                            .toList();
        }
        int number;
        synchronized (names) {
            number = own != null ? own.number : names.nextNumber(name);
        }
        HostCopies.Checked checked = loaded.take();
        Version version = new Version(
                name,
                number,
                folder,
                checked.digest(),
                loaded.origin,
                loaded.record.isEmpty(),
                loaded.fingerprint,
                own == null);
        serve(version, checked);
        synchronized (names) {
            names.put(version);
            boolean newest = number == names.newest(name);
            names.put(names.record(name).to(newest ? "" : version.id(), names.newest(name), ""));
            names.setUnloaded(name, false);
        }
        replaced.forEach(old -> lives.retire(old, () -> {}));
        return lives.snapshot(version);
    }

    /** What the record of a folder says must be true. */
    private void verify(AdapterRecord record, String name, HostCopies.Checked checked) {
        if (!record.digest().equals(checked.digest())) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "adapter %s: its files have the digest %s, nightshift.json says %s"
                            .formatted(name, checked.digest(), record.digest()));
        }
        String base = record.origin().baseDigest();
        if (!base.isEmpty() && !base.equals(options.baseDigest())) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "adapter %s was made for the base model %s (%s), this is %s (%s)"
                            .formatted(name, record.origin().base(), base, options.base(), options.baseDigest()));
        }
    }

    void unload(String name) {
        List<Version> versions;
        synchronized (names) {
            if (names.resolve(name).isEmpty() || !names.isAdapter(name)) {
                throw VersionLives.unknown(ErrorCode.NOT_FOUND, name);
            }
            versions = List.copyOf(names.versions(name));
            for (Version version : versions) {
                if (!version.attached) {
                    names.put(again(version));
                }
            }
            names.setUnloaded(name, true);
        }
        versions.forEach(version -> lives.retire(version, () -> {}));
    }

    /** The same folder as something new, so that what drains is freed apart from it. */
    private static Version again(Version version) {
        return new Version(
                version.name,
                version.number,
                version.folder(),
                version.digest(),
                version.origin,
                version.foreign,
                version.fingerprint,
                false);
    }

    // ---- delete

    void delete(String id) throws IOException {
        Optional<String> checkpoint;
        synchronized (names) {
            checkpoint = names.resolve(id)
                    .map(version -> version.name)
                    .filter(name -> names.isAlias(id) && NameTable.isCheckpoint(name));
        }
        deleteNamed(id);
        if (checkpoint.isPresent()) {
            deleteNamed(checkpoint.get()); // the alias was its only name
        }
    }

    private void deleteNamed(String id) throws IOException {
        List<Version> doomed;
        NameRecord last;
        synchronized (names) {
            Version version = names.resolve(id).orElse(null);
            boolean adapter = names.isAdapter(id);
            if (names.isAlias(id)) {
                DurableFiles.delete(NameRecord.file(folders.records(), id));
                names.removeRecord(id);
                return;
            }
            if (!adapter && version == null) {
                throw VersionLives.unknown(ErrorCode.MODEL_NOT_FOUND, id);
            }
            doomed = adapter ? List.copyOf(names.versions(id)) : List.of(version);
            String name = doomed.getFirst().name;
            NameRecord record = names.record(name);
            int highest = Math.max(record.highest(), names.newest(name));
            last = adapter
                    ? new NameRecord(name, "", 0, highest, List.of())
                    : new NameRecord(name, record.target(), record.newest(), highest, record.history());
        }
        last.write(folders.records());
        synchronized (names) {
            names.put(last);
        }
        for (Version version : doomed) {
            if (version.attached) {
                lives.retire(version, () -> {});
                continue;
            }
            Path grave = folders.remove(version.folder());
            version.movedTo(grave);
            lives.retire(version, () -> discard(grave));
        }
    }

    /** Throws a folder away. */
    void discard(Path folder) {
        try {
            DurableFiles.deleteTree(folder);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, "{0} can''t be deleted: {1}", folder, e.getMessage());
        }
    }

    // ---- alias, rollback

    Version alias(String name, String target) throws IOException {
        NameRecord record;
        synchronized (names) {
            Version version =
                    names.resolve(target).orElseThrow(() -> VersionLives.unknown(ErrorCode.MODEL_NOT_FOUND, target));
            String meant = names.isAdapter(target) ? target : version.id();
            String before = names.resolve(name).map(now -> before(name, now)).orElse("");
            record = names.record(name).to(meant.equals(name) ? "" : meant, names.newest(name), before);
        }
        return put(record);
    }

    private String before(String name, Version now) {
        String target = names.record(name).target();
        return target.isEmpty() || names.isAdapter(name) ? now.id() : target;
    }

    Version rollback(String name) throws IOException {
        NameRecord record;
        synchronized (names) {
            if (names.resolve(name).isEmpty()) {
                throw VersionLives.unknown(ErrorCode.NOT_FOUND, name);
            }
            NameTable.Earlier earlier = names.earlier(name)
                    .orElseThrow(() -> new ServingException(
                            ErrorCode.CONFLICT, "adapter '%s' has no earlier version".formatted(name)));
            record = names.record(name).back(earlier.target(), names.newest(name), earlier.history());
        }
        return put(record);
    }

    private Version put(NameRecord record) throws IOException {
        record.write(folders.records());
        synchronized (names) {
            names.put(record);
            return names.resolve(record.name()).orElseThrow();
        }
    }
}
