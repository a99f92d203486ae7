package dev.nightshift.files;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jdbi.v3.core.Handle;

/** The tables {@code uploads} and {@code upload_parts}. */
final class UploadRows {
    private UploadRows() {}

    static void insert(Handle handle, Upload upload) {
        handle.createUpdate("insert into uploads (id, filename, purpose, bytes, mime_type, created_at, expires_at,"
                        + " file_seconds, status) values (:id, :filename, :purpose, :bytes, :mime, :created, :expires,"
                        + " :life, :status)")
                .bind("id", upload.id())
                .bind("filename", upload.filename())
                .bind("purpose", upload.purpose().wire())
                .bind("bytes", upload.bytes())
                .bind("mime", upload.mimeType())
                .bind("created", upload.createdAt())
                .bind("expires", upload.expiresAt())
                .bind("life", upload.fileLife().map(Duration::toSeconds).orElse(null))
                .bind("status", upload.state().wire())
                .execute();
    }

    static Optional<Upload> find(Handle handle, String id) {
        return handle.createQuery("select * from uploads where id = :id")
                .bind("id", id)
                .map((row, context) -> upload(row))
                .findOne();
    }

    /** The upload, if it is pending; it stays so until the transaction ends. */
    static Optional<String> lockPending(Handle handle, String id) {
        return handle.createQuery("select id from uploads where id = :id and status = 'pending' for update")
                .bind("id", id)
                .mapTo(String.class)
                .findOne();
    }

    static void complete(Handle handle, String id, String fileId) {
        int changed = handle.createUpdate(
                        "update uploads set status = 'completed', file_id = :file where id = :id and status = 'pending'")
                .bind("id", id)
                .bind("file", fileId)
                .execute();
        if (changed != 1) {
            throw new IllegalStateException("upload " + id + " was changed while it was completed");
        }
    }

    static int end(Handle handle, String id, Upload.State state) {
        return handle.createUpdate("update uploads set status = :status where id = :id and status = 'pending'")
                .bind("id", id)
                .bind("status", state.wire())
                .execute();
    }

    static List<String> late(Handle handle, Instant now) {
        return handle.createQuery("select id from uploads where status = 'pending' and expires_at <= :now")
                .bind("now", now)
                .mapTo(String.class)
                .list();
    }

    static List<String> pending(Handle handle) {
        return handle.createQuery("select id from uploads where status = 'pending'")
                .mapTo(String.class)
                .list();
    }

    static void insert(Handle handle, Upload.Part part) {
        handle.createUpdate(
                        "insert into upload_parts (id, upload_id, bytes, created_at) values (:id, :upload, :bytes, :created)")
                .bind("id", part.id())
                .bind("upload", part.uploadId())
                .bind("bytes", part.bytes())
                .bind("created", part.createdAt())
                .execute();
    }

    static List<Upload.Part> parts(Handle handle, String uploadId) {
        return handle.createQuery("select * from upload_parts where upload_id = :id")
                .bind("id", uploadId)
                .map((row, context) -> new Upload.Part(
                        row.getString("id"),
                        row.getString("upload_id"),
                        row.getLong("bytes"),
                        row.getTimestamp("created_at").toInstant()))
                .list();
    }

    private static Upload upload(ResultSet row) throws SQLException {
        long life = row.getLong("file_seconds");
        Optional<Duration> fileLife = row.wasNull() ? Optional.empty() : Optional.of(Duration.ofSeconds(life));
        return new Upload(
                row.getString("id"),
                row.getString("filename"),
                Purpose.of(row.getString("purpose")),
                row.getLong("bytes"),
                row.getString("mime_type"),
                row.getTimestamp("created_at").toInstant(),
                row.getTimestamp("expires_at").toInstant(),
                fileLife,
                Upload.State.valueOf(row.getString("status").toUpperCase(Locale.ROOT)),
                Optional.ofNullable(row.getString("file_id")));
    }
}
