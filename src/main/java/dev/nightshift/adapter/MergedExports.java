package dev.nightshift.adapter;

import dev.nightshift.checkpoint.MergedModel;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The folder of merged models. They are written one after the other by a thread of their own, as one takes the disk's and several
 * cores' time. A folder appears with one rename, whole. Thread-safe; the monitor is never held while tensors are written.
 */
final class MergedExports implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(MergedExports.class.getName());
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,199}");
    private static final int QUEUED_MAX = 64;
    /** Failed ones that are remembered; the oldest are forgotten. */
    private static final int FAILED_MAX = 256;

    private static final String WRITING = ".writing-";
    private static final String DELETED = ".deleted-";
    /** Room for a merged model's files beside its tensors: the configuration, the tokenizer and so on. */
    private static final long COMPANION_BYTES = 64 << 20;

    private static final long CLOSE_MILLIS = 10_000;
    private static final Comparator<Export> NEWEST =
            Comparator.comparing(Export::created).thenComparing(Export::name).reversed();

    private final Path root;
    private final AdapterBase base;
    private final AdapterRegistry registry;
    private final MergeWriter writer;
    private final Map<String, Entry> entries = new HashMap<>();
    private final Deque<Entry> queue = new ArrayDeque<>();
    private Thread worker;
    private boolean closed;

    private static final class Entry {
        private final String versionId;
        private final CompletableFuture<Export> end = new CompletableFuture<>();
        private volatile Export export;
        /** Deleted, or the server stops. */
        private volatile boolean cancelled;

        Entry(Export export) {
            this.export = export;
            this.versionId = export.adapter();
        }
    }

    /** Ends the writing of one that nobody wants any more. */
    private static final class Cancelled extends RuntimeException {
        Cancelled() {
            super("cancelled", null, false, false);
        }
    }

    MergedExports(Path root, AdapterBase base, AdapterRegistry registry) {
        this.root = root;
        this.base = base;
        this.registry = registry;
        this.writer = new MergeWriter(base);
        try {
            restore();
        } catch (IOException e) {
            throw AdapterFolders.failed("the folder of exports %s can't be used".formatted(root), e);
        }
    }

    // ---- at start

    private void restore() throws IOException {
        if (!Files.isDirectory(root)) {
            return;
        }
        for (Path entry : list(root)) {
            String name = entry.getFileName().toString();
            if (name.startsWith(WRITING) || name.startsWith(DELETED)) {
                DurableFiles.deleteTree(entry);
            } else if (NAME.matcher(name).matches()) {
                ExportRecord.read(entry.resolve(ExportRecord.FILE))
                        .filter(export -> export.name().equals(name) && export.state() == ExportState.SUCCEEDED)
                        .ifPresent(export -> entries.put(name, new Entry(export)));
            }
        }
        for (Path file : Files.isDirectory(records()) ? list(records()) : List.<Path>of()) {
            Optional<Export> export = ExportRecord.read(file);
            if (export.isEmpty() || entries.containsKey(export.get().name())) {
                Files.deleteIfExists(file); // its folder is there: the process ended between the two
            } else {
                remember(export.get());
            }
        }
    }

    private void remember(Export export) throws IOException {
        Export known = export;
        if (export.state() != ExportState.FAILED) {
            known = export.failed(
                    ErrorCode.CANCELLED, "the server stopped before it was written; ask for it again", Instant.now());
            keep(known);
        }
        entries.put(known.name(), new Entry(known));
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    private Path records() {
        return root.resolve(".records");
    }

    private Path record(String name) {
        return records().resolve(name + ".json");
    }

    private void keep(Export export) throws IOException {
        DurableFiles.write(record(export.name()), ExportRecord.json(export));
    }

    // ---- in

    /**
     * Queues an export.
     *
     * @param given its name; absent: of base, version and source
     * @return ends with the export that is whole, or with the reason why there is none
     */
    synchronized Started start(AdapterVersion version, MergeSource source, Optional<String> given) {
        String name = given.orElseGet(() -> defaultName(version, source));
        if (!NAME.matcher(name).matches()) {
            String shown = name.length() > 100 ? name.substring(0, 100) + "..." : name;
            throw ServingException.invalid(
                    "name",
                    "export name '%s' is not 1 to 200 of letters, digits, '.', '_' and '-', a letter or digit first"
                            .formatted(shown));
        }
        if (closed) {
            throw new ServingException(ErrorCode.UNAVAILABLE, "the server is shutting down");
        }
        refuseTaken(name);
        if (queue.size() >= QUEUED_MAX) {
            throw new ServingException(
                    ErrorCode.QUEUE_FULL,
                    "%d exports wait to be written, at most %d".formatted(queue.size(), QUEUED_MAX));
        }
        Export export = new Export(
                name,
                ExportState.QUEUED,
                version.id(),
                version.digest(),
                base.name(),
                base.digest(),
                source,
                Instant.now(),
                Optional.empty(),
                new Export.Progress(0, base.checkpoint().config().layers() + 2, 0, writer.estimate()),
                List.of(),
                Optional.empty());
        try {
            Files.createDirectories(root);
            checkRoom();
            keep(export);
        } catch (IOException e) {
            throw AdapterFolders.failed("the export can't be written", e);
        }
        Entry entry = new Entry(export);
        entries.put(name, entry);
        queue.add(entry);
        if (worker == null) {
            worker = Thread.ofPlatform().name("nightshift-export").daemon().start(this::work);
        }
        notifyAll();
        return new Started(export, entry.end);
    }

    /** What was begun, and its end. */
    record Started(Export export, CompletableFuture<Export> end) {}

    private void refuseTaken(String name) {
        Entry taken = entries.get(name);
        if (taken != null && taken.export.state() != ExportState.FAILED
                || taken == null && Files.exists(root.resolve(name))) {
            String state =
                    taken == null ? "a folder" : taken.export.state().name().toLowerCase(Locale.ROOT);
            throw new ServingException(
                            ErrorCode.CONFLICT,
                            "export '%s' exists already (%s); delete it, or give another name".formatted(name, state))
                    .withParam("name");
        }
    }

    /** A hub id has a slash. */
    private String defaultName(AdapterVersion version, MergeSource source) {
        String model = base.name().replaceAll("[^A-Za-z0-9._-]", "-").replaceFirst("^[._-]+", "");
        String shortened = model.substring(0, Math.min(model.length(), 100));
        return "%s-%s-%d-%s"
                .formatted(
                        shortened,
                        version.name(),
                        version.number(),
                        source.name().toLowerCase(Locale.ROOT));
    }

    private void checkRoom() throws IOException {
        long needed = writer.estimate() + COMPANION_BYTES;
        long usable = usable();
        if (usable < needed) {
            throw new ServingException(
                    ErrorCode.INSUFFICIENT_STORAGE,
                    "the merged model takes %d bytes, the disk has %d free".formatted(needed, usable));
        }
    }

    private long usable() throws IOException {
        return Files.getFileStore(root).getUsableSpace();
    }

    // ---- the worker

    private void work() {
        try {
            for (Entry entry = next(); entry != null; entry = next()) {
                run(entry);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized Entry next() throws InterruptedException {
        while (queue.isEmpty() && !closed) {
            wait();
        }
        return closed ? null : queue.poll();
    }

    private void run(Entry entry) {
        try {
            write(entry);
            entry.end.complete(entry.export);
        } catch (Cancelled e) {
            entry.end.completeExceptionally(new ServingException(
                    ErrorCode.CANCELLED, "export '%s' was deleted before it was whole".formatted(entry.export.name())));
        } catch (ServingException e) {
            failed(entry, e);
        } catch (IOException e) {
            failed(entry, AdapterFolders.failed("the merged model can't be written", e));
        } catch (RuntimeException | Error e) {
            LOG.log(System.Logger.Level.ERROR, "export " + entry.export.name() + " failed", e);
            failed(entry, new ServingException(ErrorCode.INTERNAL, "the export failed: " + e, e));
        }
    }

    private void write(Entry entry) throws IOException {
        checkRoom();
        Path temporary = Files.createDirectory(root.resolve(WRITING + UUID.randomUUID()));
        try (AdapterLease lease = registry.acquire(entry.versionId)) {
            AdapterVersion version =
                    registry.find(lease.versionId()).orElseThrow().version();
            Export begun = entry.export.running(version.digest(), entry.export.progress());
            advance(entry, begun);
            MergedModel.Written written = writer.write(
                    temporary,
                    version,
                    registry.folder(lease.versionId()),
                    begun.source(),
                    (shards, total, bytes) -> advance(
                            entry,
                            begun.running(
                                    begun.adapterDigest(),
                                    new Export.Progress(shards, total, bytes, Math.max(bytes, writer.estimate())))));
            publish(entry, temporary, written);
        } catch (IOException e) {
            if (AdapterFolders.isFull(e)) {
                throw filledUp(entry.export.progress(), e);
            }
            throw e;
        } finally {
            DurableFiles.deleteTree(temporary);
        }
    }

    /** While what was written is still there. */
    private ServingException filledUp(Export.Progress far, IOException cause) throws IOException {
        return new ServingException(
                ErrorCode.INSUFFICIENT_STORAGE,
                "the merged model takes %d bytes, the disk was full when %d of them were written, %d are free"
                        .formatted(far.bytesTotal() + COMPANION_BYTES, far.bytes(), usable()),
                cause);
    }

    private static void advance(Entry entry, Export now) {
        if (entry.cancelled) {
            throw new Cancelled();
        }
        entry.export = now;
    }

    private void publish(Entry entry, Path temporary, MergedModel.Written written) throws IOException {
        List<String> files = new ArrayList<>(written.files());
        files.add(ExportRecord.FILE);
        Export.Progress far = entry.export.progress();
        Export whole = entry.export.succeeded(
                files,
                new Export.Progress(far.shardsTotal(), far.shardsTotal(), written.bytes(), written.bytes()),
                Instant.now());
        Files.write(temporary.resolve(ExportRecord.FILE), ExportRecord.json(whole));
        DurableFiles.syncTree(temporary);
        synchronized (this) {
            if (entry.cancelled) {
                throw new Cancelled();
            }
            DurableFiles.move(temporary, root.resolve(whole.name()));
            entry.export = whole;
        }
        DurableFiles.delete(record(whole.name()));
    }

    private void failed(Entry entry, ServingException why) {
        LOG.log(System.Logger.Level.WARNING, "export {0} failed: {1}", entry.export.name(), why.getMessage());
        synchronized (this) {
            if (!entry.cancelled) {
                entry.export = entry.export.failed(why.code(), why.getMessage(), Instant.now());
                try {
                    keep(entry.export);
                    forgetFailed();
                } catch (IOException e) {
                    LOG.log(System.Logger.Level.WARNING, "the failure can''t be kept: {0}", e.getMessage());
                }
            }
        }
        entry.end.completeExceptionally(why);
    }

    private void forgetFailed() throws IOException {
        List<Export> failed = all().filter(export -> export.state() == ExportState.FAILED)
                .sorted(NEWEST)
                .skip(FAILED_MAX)
                .toList();
        for (Export export : failed) {
            entries.remove(export.name());
            DurableFiles.delete(record(export.name()));
        }
    }

    private Stream<Export> all() {
        return entries.values().stream().map(entry -> entry.export);
    }

    // ---- out

    /** NOT_FOUND if there is none of that name. */
    synchronized Export get(String name) {
        return entry(name).export;
    }

    private Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            String shown = name.length() > 200 ? name.substring(0, 200) + "..." : name;
            throw new ServingException(ErrorCode.NOT_FOUND, "export '%s' does not exist".formatted(shown));
        }
        return entry;
    }

    /** @param after the name before the first one */
    synchronized ExportPage list(Optional<String> after, int limit, boolean newestFirst) {
        List<Export> sorted =
                all().sorted(newestFirst ? NEWEST : NEWEST.reversed()).toList();
        int from = after.map(name -> sorted.indexOf(entry(name).export) + 1).orElse(0);
        int to = Math.min(sorted.size(), from + limit);
        return new ExportPage(sorted.subList(from, to), to < sorted.size());
    }

    /** The folder of one that is whole, to be closed; CONFLICT before. */
    FolderDownload download(String name) {
        Export export = get(name);
        if (export.state() != ExportState.SUCCEEDED) {
            throw new ServingException(
                    ErrorCode.CONFLICT,
                    "export '%s' is %s; there is nothing to download"
                            .formatted(name, export.state().name().toLowerCase(Locale.ROOT)));
        }
        return new FolderDownload(name, export.created(), Map.of(), root.resolve(name), export.files());
    }

    /** Takes it away: one that waits or is being written ends, what is on disk is deleted. */
    void delete(String name) {
        Path grave = root.resolve(DELETED + UUID.randomUUID());
        try {
            synchronized (this) {
                Entry entry = entry(name);
                entry.cancelled = true;
                DurableFiles.delete(record(name));
                if (entry.export.state() == ExportState.SUCCEEDED) {
                    DurableFiles.move(root.resolve(name), grave);
                } else if (queue.remove(entry)) {
                    entry.end.completeExceptionally(new ServingException(
                            ErrorCode.CANCELLED, "export '%s' was deleted before it was begun".formatted(name)));
                }
                entries.remove(name);
            }
            DurableFiles.deleteTree(grave);
        } catch (IOException e) {
            throw AdapterFolders.failed("export %s can't be deleted".formatted(name), e);
        }
    }

    /** What is being written ends; its record stays, so that the next start tells of it. */
    @Override
    public void close() {
        Thread running;
        synchronized (this) {
            closed = true;
            entries.values().stream()
                    .filter(entry -> entry.export.state() != ExportState.SUCCEEDED)
                    .forEach(entry -> entry.cancelled = true);
            notifyAll();
            running = worker;
        }
        try {
            if (running != null && !running.join(Duration.ofMillis(CLOSE_MILLIS))) {
                LOG.log(System.Logger.Level.WARNING, "an export is still being written");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
