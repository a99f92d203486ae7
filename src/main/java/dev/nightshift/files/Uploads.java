package dev.nightshift.files;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.store.Database;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Files that come in parts: created, parts in any order and at the same time, completed in the order that the client names. */
public final class Uploads {
    private final FileStore files;
    private final Database database;
    private final Path folder;
    private final FileLimits limits;
    private final Clock clock;
    /** Uploads that are being put together; nobody else may change them meanwhile. */
    private final Set<String> completing = ConcurrentHashMap.newKeySet();

    /** @param folder of the parts; made if it is missing */
    public Uploads(FileStore files, Path folder) {
        this.files = files;
        this.database = files.database();
        this.folder = folder;
        this.limits = files.limits();
        this.clock = files.clock();
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw Disk.failure("the folder " + folder + " can't be used", e);
        }
        sweep();
    }

    /** An upload and, once it is completed, its file. */
    public record Completed(Upload upload, StoredFile file) {}

    /** Begins an upload. */
    public Upload create(NewFile file, long bytes, String mimeType) {
        if (bytes < 1 || bytes > limits.uploadBytesMax()) {
            throw ServingException.invalid(
                    "bytes", "bytes: %d is not between 1 and %d".formatted(bytes, limits.uploadBytesMax()));
        }
        Instant now = clock.instant().truncatedTo(ChronoUnit.SECONDS);
        Upload upload = new Upload(
                Disk.newId("upload_"),
                file.filename(),
                file.purpose(),
                bytes,
                mimeType,
                now,
                now.plus(limits.uploadLife()),
                file.life(),
                Upload.State.PENDING,
                Optional.empty());
        database.run(handle -> UploadRows.insert(handle, upload));
        return upload;
    }

    /** An upload by its id, or a 404. */
    public Upload get(String id) {
        Upload upload = database.read(handle -> UploadRows.find(handle, id))
                .orElseThrow(() -> new ServingException(ErrorCode.NOT_FOUND, "No such Upload object: " + id)
                        .withParam("upload_id"));
        boolean late = upload.state() == Upload.State.PENDING
                && !clock.instant().isBefore(upload.expiresAt())
                && !completing.contains(id);
        return late && move(id, Upload.State.EXPIRED) ? get(id) : upload;
    }

    private Upload pending(String id) {
        Upload upload = get(id);
        if (upload.state() != Upload.State.PENDING || completing.contains(id)) {
            String state =
                    completing.contains(id) ? "being completed" : upload.state().wire();
            throw new ServingException(
                    ErrorCode.CONFLICT, "upload " + id + " is " + state + "; only a pending one can change");
        }
        return upload;
    }

    /**
     * Takes a part over.
     *
     * @param content below {@link FileStore#incomingFolder}; stays there where it is refused
     */
    public Upload.Part addPart(String uploadId, Path content) {
        Upload upload = pending(uploadId);
        try {
            long bytes = Files.size(content);
            List<Upload.Part> there = database.read(handle -> UploadRows.parts(handle, uploadId));
            checkPart(upload, there.size(), bytes);
            Upload.Part part = new Upload.Part(
                    Disk.newId("part_"), uploadId, bytes, clock.instant().truncatedTo(ChronoUnit.SECONDS));
            Files.createDirectories(folder.resolve(uploadId));
            Disk.publish(content, path(part));
            database.run(handle -> {
                UploadRows.lockPending(handle, uploadId)
                        .orElseThrow(() -> new ServingException(
                                ErrorCode.CONFLICT, "upload " + uploadId + " is no longer pending"));
                UploadRows.insert(handle, part);
            });
            return part;
        } catch (IOException e) {
            throw Disk.failure("a part of upload " + uploadId + " can't be stored", e);
        }
    }

    private void checkPart(Upload upload, int parts, long bytes) {
        if (bytes > limits.partBytesMax()) {
            throw new ServingException(
                            ErrorCode.PAYLOAD_TOO_LARGE,
                            "data: %d bytes, a part may have %d".formatted(bytes, limits.partBytesMax()))
                    .withParam("data");
        }
        if (bytes == 0) {
            throw ServingException.invalid("data", "data: the part is empty");
        }
        if (bytes > upload.bytes()) {
            throw ServingException.invalid(
                    "data", "data: %d bytes, the whole upload has %d".formatted(bytes, upload.bytes()));
        }
        if (parts >= limits.partsMax()) {
            throw ServingException.invalid(
                    "data", "data: the upload has %d parts already, which is the limit".formatted(parts));
        }
    }

    private Path path(Upload.Part part) {
        return folder.resolve(part.uploadId()).resolve(part.id());
    }

    /**
     * Puts the parts together. Where something does not fit, the upload stays pending.
     *
     * @param md5 of the whole content, in hexadecimal
     */
    public Completed complete(String id, List<String> partIds, Optional<String> md5) {
        Upload upload = pending(id);
        if (!completing.add(id)) {
            throw new ServingException(ErrorCode.CONFLICT, "upload " + id + " is being completed");
        }
        try {
            List<Upload.Part> parts = inOrder(upload, partIds);
            Path whole = files.newIncoming();
            try {
                String sum = join(parts, whole);
                if (md5.isPresent() && !md5.get().equalsIgnoreCase(sum)) {
                    throw ServingException.invalid("md5", "md5: the content's is " + sum + ", not " + md5.get());
                }
                NewFile given = new NewFile(upload.filename(), upload.purpose(), upload.fileLife());
                StoredFile file = files.accept(
                        whole,
                        given,
                        limits.uploadBytesMax(),
                        (handle, stored) -> UploadRows.complete(handle, id, stored.id()));
                Disk.delete(folder.resolve(id));
                return new Completed(get(id), file);
            } finally {
                Disk.delete(whole);
            }
        } catch (IOException e) {
            throw Disk.failure("upload " + id + " can't be put together", e);
        } finally {
            completing.remove(id);
        }
    }

    private List<Upload.Part> inOrder(Upload upload, List<String> partIds) {
        Map<String, Upload.Part> known = new HashMap<>();
        database.read(handle -> UploadRows.parts(handle, upload.id())).forEach(part -> known.put(part.id(), part));
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < partIds.size(); i++) {
            String at = "part_ids[" + i + "]";
            if (!known.containsKey(partIds.get(i))) {
                throw ServingException.invalid(at, at + ": upload " + upload.id() + " has no part " + partIds.get(i));
            }
            if (!seen.add(partIds.get(i))) {
                throw ServingException.invalid(at, at + ": part " + partIds.get(i) + " is named twice");
            }
        }
        List<Upload.Part> parts = partIds.stream().map(known::get).toList();
        long total = parts.stream().mapToLong(Upload.Part::bytes).sum();
        if (total != upload.bytes()) {
            throw ServingException.invalid(
                    "part_ids",
                    "part_ids: the parts have %d bytes, the upload was created for %d"
                            .formatted(total, upload.bytes()));
        }
        return parts;
    }

    private String join(List<Upload.Part> parts, Path whole) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("MD5");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has MD5", e);
        }
        try (OutputStream out = new DigestOutputStream(Files.newOutputStream(whole), digest)) {
            for (Upload.Part part : parts) {
                try (InputStream in = Files.newInputStream(path(part))) {
                    in.transferTo(out);
                }
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Gives an upload up, and its parts with it. */
    public Upload cancel(String id) {
        pending(id);
        if (!move(id, Upload.State.CANCELLED)) {
            pending(id);
        }
        return get(id);
    }

    /** Ends a pending upload; false if it was no longer pending. */
    private boolean move(String id, Upload.State state) {
        boolean moved = database.change(handle -> UploadRows.end(handle, id, state)) > 0;
        if (moved) {
            deleteParts(id);
        }
        return moved;
    }

    private void deleteParts(String id) {
        try {
            Disk.delete(folder.resolve(id));
        } catch (IOException e) {
            throw Disk.failure("the parts of upload " + id + " can't be deleted", e);
        }
    }

    /** Ends uploads whose time is over, and deletes parts that belong to none. */
    public void sweep() {
        Instant now = clock.instant();
        for (String id : database.read(handle -> UploadRows.late(handle, now))) {
            if (!completing.contains(id)) {
                move(id, Upload.State.EXPIRED);
            }
        }
        Set<String> alive = new HashSet<>(database.read(UploadRows::pending));
        try {
            for (Path parts : Disk.list(folder)) {
                if (!alive.contains(parts.getFileName().toString())) {
                    Disk.delete(parts);
                }
            }
        } catch (IOException e) {
            throw Disk.failure("the folder " + folder + " can't be swept", e);
        }
    }
}
