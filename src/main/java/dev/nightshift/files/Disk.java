package dev.nightshift.files;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** Files that are either there as a whole, and on the disk, or not at all. */
final class Disk {
    private static final SecureRandom RANDOM = new SecureRandom();

    private Disk() {}

    /** 96 bits, so that two never meet. */
    static String newId(String prefix) {
        byte[] bytes = new byte[12];
        RANDOM.nextBytes(bytes);
        return prefix + HexFormat.of().formatHex(bytes);
    }

    /** Syncs a finished file and moves it to its final name on the same file system. */
    static void publish(Path finished, Path target) throws IOException {
        sync(finished, StandardOpenOption.WRITE);
        Files.move(finished, target, StandardCopyOption.ATOMIC_MOVE);
        sync(target.getParent(), StandardOpenOption.READ);
    }

    private static void sync(Path path, StandardOpenOption mode) throws IOException {
        try (FileChannel channel = FileChannel.open(path, mode)) {
            channel.force(true);
        }
    }

    static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> paths = Files.list(folder)) {
            return paths.toList();
        } catch (NoSuchFileException e) {
            return List.of();
        }
    }

    /** Deletes a file, or a folder of files. */
    static void delete(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            for (Path each : list(path)) {
                delete(each);
            }
        }
        Files.deleteIfExists(path);
    }

    /** What a failed write means to the client. */
    static ServingException failure(String what, IOException e) {
        String message = String.valueOf(e.getMessage());
        boolean full = message.contains("No space left") || message.contains("quota");
        return new ServingException(full ? ErrorCode.INSUFFICIENT_STORAGE : ErrorCode.INTERNAL, what + ": " + e, e);
    }
}
