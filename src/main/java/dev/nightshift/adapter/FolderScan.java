package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Takes up what was put into the folder and retires what was taken away. One scan at a time. */
final class FolderScan {
    private static final System.Logger LOG = System.getLogger(FolderScan.class.getName());

    private final AdapterOptions options;
    private final AdapterFolders folders;
    private final NameTable names;
    private final VersionLives lives;
    /** Folders of another base model that were told of already. */
    private final Set<String> passedOver = new HashSet<>();

    FolderScan(AdapterOptions options, AdapterFolders folders, NameTable names, VersionLives lives) {
        this.options = options;
        this.folders = folders;
        this.names = names;
        this.lives = lives;
    }

    void run() {
        List<AdapterFolders.Found> found;
        try {
            found = folders.scan();
        } catch (IOException | java.io.UncheckedIOException e) {
            LOG.log(System.Logger.Level.WARNING, "{0} can''t be looked through: {1}", folders.root(), e.getMessage());
            return;
        }
        Set<String> present = new HashSet<>();
        List<String> foreign = new ArrayList<>();
        for (AdapterFolders.Found each : found) {
            present.add(each.key());
            Version known;
            synchronized (names) {
                known = names.version(each.name(), each.number()).orElse(null);
            }
            if (known == null || (!known.attached && !known.fingerprint.equals(each.fingerprint()))) {
                take(each, known, foreign);
            }
        }
        retireGone(present);
        if (!foreign.isEmpty()) {
            LOG.log(
                    System.Logger.Level.INFO,
                    "{0} adapters were made for another base model and are passed over: {1}",
                    foreign.size(),
                    String.join(", ", foreign));
        }
    }

    private void retireGone(Set<String> present) {
        List<Version> gone;
        synchronized (names) {
            gone = names.all().stream()
                    .filter(version -> !version.attached && !present.contains(version.id()))
                    .toList();
        }
        for (Version version : gone) {
            LOG.log(System.Logger.Level.INFO, "{0} is gone from the folder and retires", version.id());
            lives.retire(version, () -> {});
        }
    }

    private void take(AdapterFolders.Found found, Version known, List<String> foreign) {
        Version version;
        try {
            Optional<AdapterRecord> record = AdapterRecord.read(found.folder());
            String madeFor = record.map(each -> each.origin().baseDigest()).orElse("");
            if (!madeFor.isEmpty() && !madeFor.equals(options.baseDigest())) {
                if (passedOver.add(found.key() + found.fingerprint())) {
                    foreign.add(found.key());
                }
                if (known != null) {
                    lives.retire(known, () -> {});
                }
                return;
            }
            version = version(found, record);
        } catch (ServingException e) {
            version = version(found, Optional.empty());
            version.failed(new ServingException(e.code(), "adapter %s: %s".formatted(found.key(), e.getMessage()), e));
        }
        if (found.name().equals(options.base())) {
            version.failed(new ServingException(
                    ErrorCode.CONFLICT, "adapter %s has the base model's name".formatted(found.key())));
        }
        synchronized (names) {
            names.put(version);
        }
        if (known != null) {
            lives.retire(known, () -> {});
        }
    }

    private static Version version(AdapterFolders.Found found, Optional<AdapterRecord> record) {
        return new Version(
                found.name(),
                found.number(),
                found.folder(),
                record.map(AdapterRecord::digest).orElse(""),
                record.map(AdapterRecord::origin)
                        .orElseGet(() -> AdapterOrigin.foreign(AdapterFolders.modified(found.folder()))),
                record.isEmpty(),
                found.fingerprint(),
                false);
    }
}
