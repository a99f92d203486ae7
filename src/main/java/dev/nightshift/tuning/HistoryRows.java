package dev.nightshift.tuning;

import com.fasterxml.jackson.core.type.TypeReference;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.Query;
import org.jdbi.v3.core.statement.Update;

/** The tables {@code tuning_event}, {@code tuning_checkpoint} and {@code tuning_metric}. */
final class HistoryRows {
    private HistoryRows() {}

    // ---- events

    /** An event whose id is there already, of a step that is run again after a crash, replaces it in its place. */
    static void event(Handle handle, String job, Job.Event event) {
        int replaced = bind(
                        handle.createUpdate(
                                "update tuning_event set created_at = :created, level = :level, kind = :kind,"
                                        + " message = :message, content = :content where id = :id and job_id = :job"),
                        job,
                        event)
                .execute();
        if (replaced == 0) {
            bind(
                            handle.createUpdate(
                                    "insert into tuning_event (id, job_id, created_at, level, kind, message, content)"
                                            + " values (:id, :job, :created, :level, :kind, :message, :content)"),
                            job,
                            event)
                    .execute();
        }
    }

    private static Update bind(Update update, String job, Job.Event event) {
        return update.bind("id", event.id())
                .bind("job", job)
                .bind("created", event.created().toEpochMilli())
                .bind("level", event.level().name().toLowerCase(Locale.ROOT))
                .bind("kind", event.kind().name().toLowerCase(Locale.ROOT))
                .bind("message", event.message())
                .bind("content", event.data().isEmpty() ? null : JsonText.write(event.data()));
    }

    static Optional<Long> eventPosition(Handle handle, String job, String event) {
        return handle.createQuery("select position from tuning_event where id = :id and job_id = :job")
                .bind("id", event)
                .bind("job", job)
                .mapTo(Long.class)
                .findOne();
    }

    /** @param from position that the events follow in the given direction */
    static List<Job.Event> events(Handle handle, String job, Optional<Long> from, int limit, boolean newestFirst) {
        String sql = "select * from tuning_event where job_id = :job"
                + (from.isEmpty() ? "" : newestFirst ? " and position < :from" : " and position > :from")
                + " order by position " + (newestFirst ? "desc" : "asc") + " limit :limit";
        Query query = handle.createQuery(sql).bind("job", job).bind("limit", limit);
        from.ifPresent(position -> query.bind("from", position));
        return query.map((row, context) -> event(row)).list();
    }

    private static Job.Event event(ResultSet row) throws SQLException {
        String content = row.getString("content");
        Map<String, Object> data = content == null ? Map.of() : JsonText.read(content, new TypeReference<>() {});
        return new Job.Event(
                row.getString("id"),
                Instant.ofEpochMilli(row.getLong("created_at")),
                Job.Event.Level.valueOf(row.getString("level").toUpperCase(Locale.ROOT)),
                Job.Event.Kind.valueOf(row.getString("kind").toUpperCase(Locale.ROOT)),
                row.getString("message"),
                data);
    }

    // ---- checkpoints

    static void checkpoint(Handle handle, String job, Job.Checkpoint checkpoint) {
        handle.createUpdate("delete from tuning_checkpoint where job_id = :job and step = :step")
                .bind("job", job)
                .bind("step", checkpoint.step())
                .execute();
        handle.createUpdate("insert into tuning_checkpoint (id, job_id, created_at, step, model, metrics)"
                        + " values (:id, :job, :created, :step, :model, :metrics)")
                .bind("id", checkpoint.id())
                .bind("job", job)
                .bind("created", checkpoint.created().toEpochMilli())
                .bind("step", checkpoint.step())
                .bind("model", checkpoint.model())
                .bind("metrics", JsonText.write(checkpoint.metrics()))
                .execute();
    }

    /** Latest step first. */
    static List<Job.Checkpoint> checkpoints(Handle handle, String job, Optional<Integer> before, int limit) {
        Query query = handle.createQuery("select * from tuning_checkpoint where job_id = :job"
                        + (before.isPresent() ? " and step < :before" : "") + " order by step desc limit :limit")
                .bind("job", job)
                .bind("limit", limit);
        before.ifPresent(step -> query.bind("before", step));
        return query.map((row, context) -> new Job.Checkpoint(
                        row.getString("id"),
                        Instant.ofEpochMilli(row.getLong("created_at")),
                        row.getInt("step"),
                        row.getString("model"),
                        JsonText.read(row.getString("metrics"), new TypeReference<Job.Metrics>() {})))
                .list();
    }

    static Optional<Integer> checkpointStep(Handle handle, String job, String checkpoint) {
        return handle.createQuery("select step from tuning_checkpoint where id = :id and job_id = :job")
                .bind("id", checkpoint)
                .bind("job", job)
                .mapTo(Integer.class)
                .findOne();
    }

    // ---- metrics

    static void metrics(Handle handle, String job, Job.Metrics metrics) {
        handle.createUpdate("delete from tuning_metric where job_id = :job and step = :step")
                .bind("job", job)
                .bind("step", metrics.step())
                .execute();
        handle.createUpdate("insert into tuning_metric (job_id, step, train_loss, train_accuracy, valid_loss,"
                        + " valid_accuracy, full_loss, full_accuracy, learning_rate, gradient_norm) values (:job, :step,"
                        + " :loss, :accuracy, :validLoss, :validAccuracy, :fullLoss, :fullAccuracy, :rate, :norm)")
                .bind("job", job)
                .bind("step", metrics.step())
                .bind("loss", boxed(metrics.trainLoss()))
                .bind("accuracy", boxed(metrics.trainAccuracy()))
                .bind("validLoss", boxed(metrics.validLoss()))
                .bind("validAccuracy", boxed(metrics.validAccuracy()))
                .bind("fullLoss", boxed(metrics.fullLoss()))
                .bind("fullAccuracy", boxed(metrics.fullAccuracy()))
                .bind("rate", boxed(metrics.learningRate()))
                .bind("norm", boxed(metrics.gradientNorm()))
                .execute();
    }

    static List<Job.Metrics> metrics(Handle handle, String job) {
        return handle.createQuery("select * from tuning_metric where job_id = :job order by step")
                .bind("job", job)
                .map((row, context) -> new Job.Metrics(
                        row.getInt("step"),
                        number(row, "train_loss"),
                        number(row, "train_accuracy"),
                        number(row, "valid_loss"),
                        number(row, "valid_accuracy"),
                        number(row, "full_loss"),
                        number(row, "full_accuracy"),
                        number(row, "learning_rate"),
                        number(row, "gradient_norm")))
                .list();
    }

    private static Double boxed(OptionalDouble value) {
        return value.isPresent() ? value.getAsDouble() : null;
    }

    private static OptionalDouble number(ResultSet row, String column) throws SQLException {
        double value = row.getDouble(column);
        return row.wasNull() ? OptionalDouble.empty() : OptionalDouble.of(value);
    }
}
