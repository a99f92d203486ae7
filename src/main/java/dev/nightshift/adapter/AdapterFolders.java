package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The layout on disk: {@code <root>/<name>/<number>/}; a PEFT folder directly at {@code <root>/<name>/} is version 1. */
final class AdapterFolders {
    static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    private static final Pattern NUMBER = Pattern.compile("[1-9][0-9]{0,8}");
    private static final String STAGED = ".staged-";
    private static final String DELETED = ".deleted-";
    private static final List<String> OWN_FILES =
            List.of(PeftFolder.CONFIG, PeftFolder.WEIGHTS, AdapterRecord.FILE, "adapter_model.bin");

    private final Path root;

    AdapterFolders(Path root) {
        this.root = root.toAbsolutePath().normalize();
    }

    /** A PEFT folder in its place. */
    record Found(String name, int number, Path folder, String fingerprint) {
        String key() {
            return name + "@" + number;
        }
    }

    Path root() {
        return root;
    }

    Path records() {
        return root.resolve(".names");
    }

    /** Leftovers of a process that ended in the middle are removed. */
    void clean() throws IOException {
        if (!Files.isDirectory(root)) {
            return;
        }
        try (Stream<Path> entries = Files.list(root)) {
            for (Path entry : entries.toList()) {
                String name = entry.getFileName().toString();
                if (name.startsWith(STAGED) || name.startsWith(DELETED)) {
                    DurableFiles.deleteTree(entry);
                }
            }
        }
    }

    /** Every version that lies there now. A folder whose tensors have not arrived yet is left for the next time. */
    List<Found> scan() throws IOException {
        List<Found> found = new ArrayList<>();
        for (Path folder : folders(root)) {
            String name = folder.getFileName().toString();
            if (!NAME.matcher(name).matches()) {
                continue;
            }
            boolean first = false;
            for (Path version : folders(folder)) {
                String number = version.getFileName().toString();
                Optional<String> fingerprint = fingerprint(version);
                if (NUMBER.matcher(number).matches() && fingerprint.isPresent()) {
                    first |= number.equals("1");
                    found.add(new Found(name, Integer.parseInt(number), version, fingerprint.get()));
                }
            }
            Optional<String> direct = fingerprint(folder);
            if (direct.isPresent() && !first) {
                found.add(new Found(name, 1, folder, direct.get()));
            }
        }
        return found;
    }

    private static List<Path> folders(Path parent) throws IOException {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(parent)) {
            return entries.filter(entry -> !entry.getFileName().toString().startsWith("."))
                    .filter(Files::isDirectory)
                    .sorted()
                    .toList();
        }
    }

    /** Identity of the files as far as the file system tells it; empty if this is no PEFT folder. */
    static Optional<String> fingerprint(Path folder) {
        StringBuilder text = new StringBuilder();
        boolean config = false;
        boolean tensors = false;
        for (String name : OWN_FILES) {
            try {
                BasicFileAttributes file = Files.readAttributes(folder.resolve(name), BasicFileAttributes.class);
                text.append("%s %d %s %s;".formatted(name, file.size(), file.lastModifiedTime(), file.fileKey()));
                config |= name.equals(PeftFolder.CONFIG);
                tensors |= name.startsWith("adapter_model");
            } catch (IOException e) {
                text.append(name).append(" -;");
            }
        }
        return config && tensors ? Optional.of(text.toString()) : Optional.empty();
    }

    static Instant modified(Path folder) {
        try {
            return Files.getLastModifiedTime(folder.resolve(PeftFolder.CONFIG)).toInstant();
        } catch (IOException e) {
            return Instant.EPOCH;
        }
    }

    static String checkedName(String name) {
        if (!NAME.matcher(name).matches()) {
            String shown = name.length() > 100 ? name.substring(0, 100) + "..." : name;
            throw ServingException.invalid(
                    "name",
                    "adapter name '%s' is not 1 to 64 of letters, digits, '.', '_' and '-', a letter or digit first"
                            .formatted(shown));
        }
        return name;
    }

    /** A new empty folder on the root's file system. */
    Path stage() {
        try {
            Files.createDirectories(root);
            return Files.createDirectory(root.resolve(STAGED + UUID.randomUUID()));
        } catch (IOException e) {
            throw failed("no folder can be made below nightshift.adapters", e);
        }
    }

    /** A folder that a client named; links that lead out of the root lead nowhere. */
    Path below(String path) {
        try {
            Path real = root.resolve(path).toRealPath();
            Path realRoot = root.toRealPath();
            if (real.startsWith(realRoot) && !real.equals(realRoot)) {
                return root.resolve(realRoot.relativize(real));
            }
        } catch (IOException | java.nio.file.InvalidPathException e) {
            // Whether something lies outside is not for a client to learn.
        }
        throw ServingException.invalid("lora_path", "'%s' is no folder below nightshift.adapters".formatted(path));
    }

    Path folder(String name, int number) {
        return root.resolve(name).resolve(Integer.toString(number));
    }

    /** Moves a staged folder to its place. */
    Path publish(Path staged, String name, int number) throws IOException {
        Path place = folder(name, number);
        boolean isNew = !Files.exists(place.getParent());
        Files.createDirectories(place.getParent());
        if (isNew) {
            DurableFiles.syncFolder(root);
        }
        DurableFiles.syncTree(staged);
        DurableFiles.move(staged, place);
        return place;
    }

    /** Takes a version out of its place at once and durably; returns where its files lie until they are thrown away. */
    Path remove(Path folder) throws IOException {
        Path grave = root.resolve(DELETED + UUID.randomUUID());
        boolean direct = folder.getParent().equals(root);
        if (direct && !folders(folder).isEmpty()) {
            Files.createDirectory(grave);
            // The configuration goes first: without it the rest is no adapter.
            for (String name : OWN_FILES) {
                if (Files.exists(folder.resolve(name))) {
                    DurableFiles.move(folder.resolve(name), grave.resolve(name));
                }
            }
            return grave;
        }
        DurableFiles.move(folder, grave);
        Path parent = folder.getParent();
        if (!direct && folders(parent).isEmpty()) {
            try {
                Files.delete(parent);
            } catch (IOException e) {
                // Something else lies beside the versions; it stays.
            }
        }
        return grave;
    }

    /** What a client is told of a disk that does not do what it should; paths are for the log. */
    static ServingException failed(String what, IOException cause) {
        return new ServingException(
                isFull(cause) ? ErrorCode.INSUFFICIENT_STORAGE : ErrorCode.INTERNAL,
                what + ": " + reason(cause),
                cause);
    }

    /** Whether a write failed for want of room. */
    static boolean isFull(IOException failure) {
        String reason = reason(failure);
        return reason.contains("No space left") || reason.contains("quota exceeded");
    }

    private static String reason(IOException failure) {
        return failure instanceof FileSystemException of
                ? Optional.ofNullable(of.getReason()).orElse(of.getClass().getSimpleName())
                : String.valueOf(failure.getMessage());
    }
}
