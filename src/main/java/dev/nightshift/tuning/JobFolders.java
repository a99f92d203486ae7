package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A folder per job: its files as they were when it was created, what it started from, its latest state. A job's folder is
 * whole before its row is written; one without a row is what a crash left, and goes at start.
 */
final class JobFolders {
    private static final String NEW = ".new";

    private final Path root;

    JobFolders(Path root) {
        this.root = root;
    }

    /** Fills a folder. */
    interface Filling {
        void fill(Path folder) throws IOException;
    }

    void create(String job, Filling filling) throws IOException {
        Path unfinished = root.resolve(job + NEW);
        Files.createDirectories(unfinished);
        try {
            filling.fill(unfinished);
            Files.move(unfinished, root.resolve(job), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            deleteTree(unfinished);
        }
    }

    Path of(String job) {
        return root.resolve(job);
    }

    static Path trainingFile(Path folder, int index) {
        return folder.resolve("train-%d.jsonl".formatted(index));
    }

    /** Which of the training files it is. */
    static int index(Path trainingFile) {
        String name = trainingFile.getFileName().toString();
        return Integer.parseInt(name.substring("train-".length(), name.length() - ".jsonl".length()));
    }

    static boolean isValidation(Path file) {
        return file.getFileName().toString().equals("validation.jsonl");
    }

    static Path validationFile(Path folder) {
        return folder.resolve("validation.jsonl");
    }

    static Path startAdapter(Path folder) {
        return folder.resolve("start");
    }

    /** Where the latest training state is ({@code TrainingFolder}); empty or absent before the first is saved. */
    static Path state(Path folder) {
        return folder.resolve("state");
    }

    /** The adapter with the lowest validation loss so far ({@code TrainingFolder}), of a job that has patience. */
    static Path best(Path folder) {
        return folder.resolve("best");
    }

    /** Deletes folders of no known job. */
    void deleteOthers(Set<String> known) throws IOException {
        if (!Files.isDirectory(root)) {
            return;
        }
        try (Stream<Path> children = Files.list(root)) {
            for (Path child : children.toList()) {
                if (!known.contains(child.getFileName().toString())) {
                    deleteTree(child);
                }
            }
        }
    }

    /** A job that has ended needs no data and no state any more. */
    void clear(String job) throws IOException {
        deleteTree(of(job));
    }

    static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                if (Files.isRegularFile(file)) {
                    Files.copy(file, to.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
                }
            }
        }
    }

    static void deleteTree(Path folder) throws IOException {
        List<Path> deepestFirst;
        try (Stream<Path> tree = Files.walk(folder)) {
            deepestFirst = tree.sorted(Comparator.reverseOrder()).toList();
        } catch (NoSuchFileException e) {
            return;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        for (Path path : deepestFirst) {
            Files.deleteIfExists(path);
        }
    }

    /** What a client, or a job's error, is told about a disk that does not do what it should. */
    static ServingException failure(String what, IOException e) {
        String reason = e instanceof FileSystemException f && f.getReason() != null ? f.getReason() : e.getMessage();
        boolean full = reason != null && reason.toLowerCase(Locale.ROOT).contains("no space");
        return new ServingException(
                full ? ErrorCode.INSUFFICIENT_STORAGE : ErrorCode.INTERNAL,
                what + ": " + (full ? "the disk of nightshift.data is full" : e.toString()),
                e);
    }
}
