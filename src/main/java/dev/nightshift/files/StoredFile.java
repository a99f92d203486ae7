package dev.nightshift.files;

import java.time.Instant;
import java.util.Optional;

/** A file that was uploaded, or written by the server. Checked before it was accepted, so always ready for use. */
public record StoredFile(
        String id, String filename, Purpose purpose, long bytes, Instant createdAt, Optional<Instant> expiresAt) {}
