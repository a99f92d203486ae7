package dev.nightshift.files;

import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;

/**
 * A file that comes in parts.
 *
 * @param bytes that all parts together must have
 * @param fileLife of the file that it becomes
 * @param fileId once it is completed
 */
public record Upload(
        String id,
        String filename,
        Purpose purpose,
        long bytes,
        String mimeType,
        Instant createdAt,
        Instant expiresAt,
        Optional<Duration> fileLife,
        State state,
        Optional<String> fileId) {

    /** Only a pending one changes. */
    public enum State {
        PENDING,
        COMPLETED,
        CANCELLED,
        EXPIRED;

        /** As the API spells it. */
        public String wire() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** A part that has arrived. */
    public record Part(String id, String uploadId, long bytes, Instant createdAt) {}
}
