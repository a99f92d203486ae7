package dev.nightshift.files;

import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.Optional;

/**
 * What a file that comes in says of itself.
 *
 * @param filename without folders, whatever the sender wrote before it
 * @param life after which it is deleted; empty = never
 */
public record NewFile(String filename, Purpose purpose, Optional<Duration> life) {
    /** OpenAI's bounds of {@code expires_after[seconds]}. */
    public static final Duration LIFE_MIN = Duration.ofHours(1);

    public static final Duration LIFE_MAX = Duration.ofDays(30);
    private static final int NAME_LENGTH_MAX = 255;

    public NewFile {
        filename = baseName(filename);
        if (purpose == Purpose.FINE_TUNE && !filename.endsWith(".jsonl")) {
            throw ServingException.invalid(
                    "file", "file: '" + filename + "' must be a .jsonl file, as its purpose is fine-tune");
        }
        life.ifPresent(NewFile::check);
    }

    private static void check(Duration life) {
        if (life.compareTo(LIFE_MIN) < 0 || life.compareTo(LIFE_MAX) > 0) {
            throw ServingException.invalid(
                    "expires_after",
                    "expires_after[seconds]: %d is not between %d and %d"
                            .formatted(life.toSeconds(), LIFE_MIN.toSeconds(), LIFE_MAX.toSeconds()));
        }
    }

    private static String baseName(String given) {
        String name = given.substring(Math.max(given.lastIndexOf('/'), given.lastIndexOf('\\')) + 1)
                .strip();
        if (name.isEmpty() || name.equals(".") || name.equals("..") || name.length() > NAME_LENGTH_MAX) {
            throw ServingException.invalid(
                    "file",
                    "file: the file name has %d characters, 1 to %d are possible"
                            .formatted(name.length(), NAME_LENGTH_MAX));
        }
        return name;
    }
}
