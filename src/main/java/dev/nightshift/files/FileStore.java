package dev.nightshift.files;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.jsonl.JsonLines;
import dev.nightshift.jsonl.JsonlFault;
import dev.nightshift.store.Database;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import org.jdbi.v3.core.Handle;

/** The files there are. */
public final class FileStore {
    /** How long the row of a deleted file is kept as a place in the list. */
    private static final Duration TOMBSTONE_LIFE = Duration.ofDays(1);

    private final Database database;
    private final Path incoming;
    private final Path contents;
    private final FileLimits limits;
    private final Clock clock;

    /** @param folder of all content; made if it is missing. What an earlier process left unfinished there is deleted */
    public FileStore(Database database, Path folder, FileLimits limits, Clock clock) {
        this.database = database;
        this.incoming = folder.resolve("incoming");
        this.contents = folder.resolve("contents");
        this.limits = limits;
        this.clock = clock;
        try {
            Disk.delete(incoming);
            Files.createDirectories(incoming);
            Files.createDirectories(contents);
            deleteOrphans();
        } catch (IOException e) {
            throw Disk.failure("the folder " + folder + " can't be used", e);
        }
    }

    private void deleteOrphans() throws IOException {
        Set<String> known = new HashSet<>(
                database.read(handle -> handle.createQuery("select id from files where deleted_at is null")
                        .mapTo(String.class)
                        .list()));
        for (Path content : Disk.list(contents)) {
            if (!known.contains(content.getFileName().toString())) {
                Disk.delete(content);
            }
        }
    }

    public FileLimits limits() {
        return limits;
    }

    /** Where content is written before it is accepted; on the same file system as the files. */
    public Path incomingFolder() {
        return incoming;
    }

    /** A name for content that comes in; no such file is there yet. */
    public Path newIncoming() {
        return incoming.resolve(Disk.newId("in-"));
    }

    /**
     * Takes a file over: checks it, gives it its final name, commits its row. Where it is refused, it stays where it is.
     *
     * @param content below {@link #incomingFolder}
     * @param bytesMax of such a file; batch files have a lower limit of their own
     */
    public StoredFile accept(Path content, NewFile given, long bytesMax) {
        return accept(content, given, bytesMax, (handle, file) -> {});
    }

    /** Stores what the server itself has written. */
    public StoredFile save(NewFile given, byte[] content) {
        Path unfinished = newIncoming();
        try {
            Files.write(unfinished, content);
        } catch (IOException e) {
            throw Disk.failure("the file '" + given.filename() + "' can't be stored", e);
        }
        return accept(unfinished, given, Long.MAX_VALUE);
    }

    /**
     * Stores what comes in as a stream, as one sent in one request.
     *
     * @throws ServingException PAYLOAD_TOO_LARGE as soon as it is longer than such a file may be
     */
    public StoredFile receive(InputStream content, NewFile given) {
        Path unfinished = newIncoming();
        try {
            try (OutputStream out = Files.newOutputStream(unfinished, StandardOpenOption.CREATE_NEW)) {
                copy(content, out, limits.fileBytesMax());
            } catch (IOException e) {
                throw Disk.failure("the file '" + given.filename() + "' can't be stored", e);
            }
            return accept(unfinished, given, limits.fileBytesMax());
        } finally {
            discard(unfinished);
        }
    }

    private static void copy(InputStream content, OutputStream out, long bytesMax) throws IOException {
        byte[] buffer = new byte[1 << 16];
        long bytes = 0;
        for (int count = read(content, buffer); count >= 0; count = read(content, buffer)) {
            bytes += count;
            if (bytes > bytesMax) {
                throw new ServingException(
                                ErrorCode.PAYLOAD_TOO_LARGE, "file: more than %d bytes, the limit".formatted(bytesMax))
                        .withParam("file");
            }
            out.write(buffer, 0, count);
        }
    }

    private static int read(InputStream content, byte[] buffer) {
        try {
            return content.read(buffer);
        } catch (IOException e) {
            throw ServingException.invalid("file", "file: the upload broke off: " + e.getMessage());
        }
    }

    /** What is left of content that was not accepted; goes at the next start where it can't now. */
    private static void discard(Path unfinished) {
        try {
            Disk.delete(unfinished);
        } catch (IOException e) {
            System.getLogger(FileStore.class.getName())
                    .log(System.Logger.Level.WARNING, "{0} can''t be deleted: {1}", unfinished, e.getMessage());
        }
    }

    /** A file's content to be read; closing it is the caller's. */
    public InputStream open(String id) {
        try {
            return Files.newInputStream(content(id));
        } catch (IOException e) {
            throw Disk.failure("the content of file " + id + " can't be read", e);
        }
    }

    /** @param with further rows of the same transaction */
    StoredFile accept(Path content, NewFile given, long bytesMax, BiConsumer<Handle, StoredFile> with) {
        try {
            long bytes = Files.size(content);
            checkSize(bytes, given.purpose(), bytesMax);
            if (given.purpose() == Purpose.FINE_TUNE) {
                JsonLines.check(content);
            }
            Instant now = clock.instant().truncatedTo(ChronoUnit.SECONDS);
            StoredFile file = new StoredFile(
                    Disk.newId("file-"),
                    given.filename(),
                    given.purpose(),
                    bytes,
                    now,
                    given.life().map(now::plus));
            Disk.publish(content, path(file.id()));
            database.run(handle -> {
                FileRows.insert(handle, file);
                with.accept(handle, file);
            });
            return file;
        } catch (JsonlFault fault) {
            throw ServingException.invalid(
                    "file", "file: line %d of '%s': %s".formatted(fault.line(), given.filename(), fault.getMessage()));
        } catch (IOException e) {
            throw Disk.failure("the file '" + given.filename() + "' can't be stored", e);
        }
    }

    private void checkSize(long bytes, Purpose purpose, long bytesMax) {
        long most = purpose == Purpose.BATCH ? Math.min(bytesMax, limits.batchBytesMax()) : bytesMax;
        if (bytes > most) {
            throw new ServingException(
                            ErrorCode.PAYLOAD_TOO_LARGE, "file: %d bytes, the limit is %d".formatted(bytes, most))
                    .withParam("file");
        }
        if (bytes == 0) {
            throw ServingException.invalid("file", "file: the file is empty");
        }
    }

    /** A file by its id, or a 404. */
    public StoredFile get(String id) {
        return database.read(handle -> FileRows.find(handle, id, clock.instant()))
                .orElseThrow(() -> unknown(id));
    }

    private static ServingException unknown(String id) {
        return new ServingException(ErrorCode.NOT_FOUND, "No such File object: " + id).withParam("file_id");
    }

    /** Where the content of a file is; to be read only. May be deleted while it is read, which goes on. */
    public Path content(String id) {
        Path path = path(get(id).id());
        if (!Files.isReadable(path)) {
            throw new ServingException(ErrorCode.INTERNAL, "the content of file " + id + " can't be read");
        }
        return path;
    }

    private Path path(String id) {
        return contents.resolve(id);
    }

    /** A second name for a file's content, which stays when the file is deleted; for a job that must go on. */
    public void snapshot(String id, Path target) {
        try {
            Files.deleteIfExists(target);
            Files.createLink(target, content(id));
        } catch (IOException | UnsupportedOperationException linkless) {
            try {
                Files.copy(content(id), target);
            } catch (IOException e) {
                throw Disk.failure("no snapshot of file " + id, e);
            }
        }
    }

    /**
     * Files in the order of their coming.
     *
     * @param after the id of the file before the first one, which may be deleted by now
     */
    public FilePage list(Optional<Purpose> purpose, Optional<String> after, int limit, boolean newestFirst) {
        return database.read(handle -> {
            Optional<Long> from = after.map(id -> FileRows.position(handle, id)
                    .orElseThrow(() -> ServingException.invalid("after", "after: no such file: " + id)));
            List<StoredFile> found = FileRows.list(handle, purpose, from, limit + 1, newestFirst, clock.instant());
            return new FilePage(found.subList(0, Math.min(limit, found.size())), found.size() > limit);
        });
    }

    /** Deletes a file; a 404 if there is none. */
    public void delete(String id) {
        Instant now = clock.instant();
        if (database.change(handle -> FileRows.delete(handle, id, now)) == 0) {
            throw unknown(id);
        }
        deleteContent(id);
    }

    private void deleteContent(String id) {
        try {
            Disk.delete(path(id));
        } catch (IOException e) {
            throw Disk.failure("the content of file " + id + " can't be deleted", e);
        }
    }

    /** Deletes what has expired; returns how many files that were. */
    public int sweep() {
        Instant now = clock.instant();
        List<String> expired = database.read(handle -> FileRows.expired(handle, now));
        for (String id : expired) {
            database.run(handle -> FileRows.deleteExpired(handle, id, now));
            deleteContent(id);
        }
        if (database.read(handle -> FileRows.tombstones(handle, now.minus(TOMBSTONE_LIFE))) > 0) {
            database.run(handle -> FileRows.forget(handle, now.minus(TOMBSTONE_LIFE)));
        }
        return expired.size();
    }

    Database database() {
        return database;
    }

    Clock clock() {
        return clock;
    }
}
