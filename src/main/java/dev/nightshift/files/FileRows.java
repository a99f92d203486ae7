package dev.nightshift.files;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.Query;

/** The table {@code files}. */
final class FileRows {
    private static final String LIVING = " deleted_at is null and (expires_at is null or expires_at > :now)";

    private FileRows() {}

    static void insert(Handle handle, StoredFile file) {
        handle.createUpdate("insert into files (id, filename, purpose, bytes, created_at, expires_at)"
                        + " values (:id, :filename, :purpose, :bytes, :created, :expires)")
                .bind("id", file.id())
                .bind("filename", file.filename())
                .bind("purpose", file.purpose().wire())
                .bind("bytes", file.bytes())
                .bind("created", file.createdAt())
                .bind("expires", file.expiresAt().orElse(null))
                .execute();
    }

    static Optional<StoredFile> find(Handle handle, String id, Instant now) {
        return handle.createQuery("select * from files where id = :id and" + LIVING)
                .bind("id", id)
                .bind("now", now)
                .map((row, context) -> file(row))
                .findOne();
    }

    static Optional<Long> position(Handle handle, String id) {
        return handle.createQuery("select seq from files where id = :id")
                .bind("id", id)
                .mapTo(Long.class)
                .findOne();
    }

    static List<StoredFile> list(
            Handle handle,
            Optional<Purpose> purpose,
            Optional<Long> from,
            int limit,
            boolean newestFirst,
            Instant now) {
        String sql = "select * from files where" + LIVING
                + (purpose.isPresent() ? " and purpose = :purpose" : "")
                + (from.isEmpty() ? "" : newestFirst ? " and seq < :from" : " and seq > :from")
                + " order by seq " + (newestFirst ? "desc" : "asc") + " limit :limit";
        Query query = handle.createQuery(sql).bind("now", now).bind("limit", limit);
        purpose.ifPresent(each -> query.bind("purpose", each.wire()));
        from.ifPresent(each -> query.bind("from", each));
        return query.map((row, context) -> file(row)).list();
    }

    static int delete(Handle handle, String id, Instant now) {
        return handle.createUpdate("update files set deleted_at = :now where id = :id and" + LIVING)
                .bind("id", id)
                .bind("now", now)
                .execute();
    }

    static void deleteExpired(Handle handle, String id, Instant now) {
        handle.createUpdate("update files set deleted_at = :now where id = :id and deleted_at is null")
                .bind("id", id)
                .bind("now", now)
                .execute();
    }

    static List<String> expired(Handle handle, Instant now) {
        return handle.createQuery("select id from files where deleted_at is null and expires_at <= :now")
                .bind("now", now)
                .mapTo(String.class)
                .list();
    }

    static int tombstones(Handle handle, Instant before) {
        return handle.createQuery("select count(*) from files where deleted_at < :before")
                .bind("before", before)
                .mapTo(Integer.class)
                .one();
    }

    static void forget(Handle handle, Instant before) {
        handle.createUpdate("delete from files where deleted_at < :before")
                .bind("before", before)
                .execute();
    }

    private static StoredFile file(ResultSet row) throws SQLException {
        Timestamp expires = row.getTimestamp("expires_at");
        return new StoredFile(
                row.getString("id"),
                row.getString("filename"),
                Purpose.of(row.getString("purpose")),
                row.getLong("bytes"),
                row.getTimestamp("created_at").toInstant(),
                Optional.ofNullable(expires).map(Timestamp::toInstant));
    }
}
