package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** A model in a folder. */
record FolderFiles(Path folder) implements ModelFiles {
    /** Largest JSON or template file that is read; tokenizers of 250,000 tokens have 35 MB. */
    private static final long SMALL_FILE_BYTES_MAX = 512L << 20;

    @Override
    public String place() {
        return folder.toString();
    }

    @Override
    public Optional<byte[]> read(String path) {
        Path file = folder.resolve(path);
        try {
            if (Files.isRegularFile(file) && Files.size(file) > SMALL_FILE_BYTES_MAX) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "%s has %d bytes, the limit is %d".formatted(file, Files.size(file), SMALL_FILE_BYTES_MAX));
            }
            return Optional.of(Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "%s can't be read: %s".formatted(file, e.getMessage()), e);
        }
    }

    @Override
    public List<String> list(String path) {
        Path directory = folder.resolve(path);
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(Files::isRegularFile)
                    .map(entry -> entry.getFileName().toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "%s can't be listed: %s".formatted(directory, e.getMessage()), e);
        }
    }

    @Override
    public SafetensorsFile open(String path, Arena arena) {
        return SafetensorsFile.map(folder.resolve(path), arena);
    }

    @Override
    public Optional<String> fingerprint(List<String> paths) {
        StringBuilder text = new StringBuilder();
        try {
            for (String path : paths) {
                Path file = folder.resolve(path).toRealPath();
                text.append("%s %d %s%n".formatted(file, Files.size(file), Files.getLastModifiedTime(file)));
            }
        } catch (IOException e) {
            return Optional.empty();
        }
        return Optional.of(text.toString());
    }
}
