package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * One repository in the cache of huggingface_hub: {@code models--org--name/} with {@code blobs/<etag>}, {@code refs/<revision>}
 * (holding a commit) and {@code snapshots/<commit>/<file>}, relative links to blobs.
 */
record HubCache(Path root, String id) {
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    Path folder() {
        return root.resolve("models--" + id.replace("/", "--"));
    }

    Path snapshot(String commit) {
        return folder().resolve("snapshots").resolve(commit);
    }

    Path blob(String etag) {
        return folder().resolve("blobs").resolve(etag);
    }

    Path incomplete(String etag) {
        return folder().resolve("blobs").resolve(etag + ".incomplete");
    }

    static boolean isCommit(String revision) {
        return COMMIT.matcher(revision).matches();
    }

    /** The commit that a revision had when it was last looked up. */
    Optional<String> commit(String revision) {
        if (isCommit(revision)) {
            return Optional.of(revision);
        }
        try {
            return Optional.of(Files.readString(folder().resolve("refs").resolve(revision))
                            .strip())
                    .filter(HubCache::isCommit);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    void remember(String revision, String commit) throws IOException {
        Path ref = folder().resolve("refs").resolve(revision);
        if (!isCommit(revision) && !commit(revision).equals(Optional.of(commit))) {
            Files.createDirectories(ref.getParent());
            Path temporary = Files.createTempFile(ref.getParent(), ".ref", ".tmp");
            Files.writeString(temporary, commit);
            Files.move(temporary, ref, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Puts a blob into a snapshot: by a relative link, or by a copy where the file system has no links. */
    void link(String commit, String file, String etag) throws IOException {
        Path pointer = snapshot(commit).resolve(file);
        Files.createDirectories(pointer.getParent());
        try {
            Files.deleteIfExists(pointer);
            Files.createSymbolicLink(pointer, pointer.getParent().relativize(blob(etag)));
        } catch (FileAlreadyExistsException e) {
            // Another process was faster; the link says the same.
        } catch (UnsupportedOperationException e) {
            Files.copy(blob(etag), pointer, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Held while a blob is downloaded, against a second process. */
    interface Lock extends AutoCloseable {
        @Override
        void close() throws IOException;
    }

    Lock lock(String etag) throws IOException {
        Path path = root.resolve(".locks").resolve(folder().getFileName()).resolve(etag + ".lock");
        Files.createDirectories(path.getParent());
        FileChannel channel = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock held = channel.lock();
        return () -> {
            held.release();
            channel.close();
        };
    }

    /** Whether a write failed for want of room. */
    static boolean isFull(IOException failure) {
        String reason = String.valueOf(failure.getMessage());
        return reason.contains("No space left") || reason.contains("Disk quota exceeded");
    }

    /**
     * There is no room for a file.
     *
     * @param missing bytes still to come, negative where the hub does not tell
     * @param free bytes that the file system says it has; a quota may allow less
     */
    ServingException full(String file, long missing, long free, IOException cause) {
        return new ServingException(
                ErrorCode.INSUFFICIENT_STORAGE,
                "%s of %s needs %s more, %s has %d free (HF_HUB_CACHE or HF_HOME choose another place)"
                        .formatted(file, id(), missing < 0 ? "room" : missing + " bytes", root, free),
                cause);
    }

    /** An I/O failure in the cache as an operating error: a full disk by name. */
    ServingException failure(String what, IOException cause) {
        return isFull(cause)
                ? new ServingException(
                        ErrorCode.INSUFFICIENT_STORAGE,
                        "%s: no space left under %s (HF_HUB_CACHE or HF_HOME choose another place)"
                                .formatted(what, root),
                        cause)
                : new ServingException(
                        ErrorCode.UNAVAILABLE, "%s: %s".formatted(what, String.valueOf(cause.getMessage())), cause);
    }
}
