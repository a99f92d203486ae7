package dev.nightshift.tuning;

import com.fasterxml.jackson.core.type.TypeReference;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.statement.Query;

/** The tables {@code tuning_job} and {@code tuning_metadata}. */
final class JobRows {
    private JobRows() {}

    /** A job's row with what only the runner needs. */
    record Row(Job job, int priority, String baseDigest, Optional<JobPlan> plan) {}

    static void insert(Handle handle, Job job, String baseDigest) {
        handle.createUpdate("insert into tuning_job (id, created_at, state, priority, base_digest, base_model, request)"
                        + " values (:id, :created, :state, :priority, :digest, :base, :request)")
                .bind("id", job.id())
                .bind("created", job.created().toEpochMilli())
                .bind("state", job.state().wire())
                .bind("priority", job.spec().options().priority())
                .bind("digest", baseDigest)
                .bind("base", job.base())
                .bind("request", JsonText.write(job.spec().request()))
                .execute();
        job.spec()
                .metadata()
                .forEach((name, content) -> handle.createUpdate(
                                "insert into tuning_metadata (job_id, name, content) values (:job, :name, :content)")
                        .bind("job", job.id())
                        .bind("name", name)
                        .bind("content", content)
                        .execute());
    }

    static Optional<Row> find(Handle handle, String id) {
        return handle.createQuery("select * from tuning_job where id = :id")
                .bind("id", id)
                .map((row, context) -> row(row))
                .findOne();
    }

    /** Newest first. */
    static List<Row> list(Handle handle, Optional<Long> before, Map<String, String> metadata, int limit) {
        StringBuilder sql = new StringBuilder("select * from tuning_job j where 1 = 1");
        before.ifPresent(position -> sql.append(" and position < :before"));
        for (int i = 0; i < metadata.size(); i++) {
            sql.append((" and exists (select 1 from tuning_metadata m where m.job_id = j.id and m.name = :name%d"
                            + " and m.content = :content%d)")
                    .formatted(i, i));
        }
        Query query =
                handle.createQuery(sql + " order by position desc limit :limit").bind("limit", limit);
        before.ifPresent(position -> query.bind("before", position));
        int i = 0;
        for (Map.Entry<String, String> entry : metadata.entrySet()) {
            query.bind("name" + i, entry.getKey()).bind("content" + i++, entry.getValue());
        }
        return query.map((row, context) -> row(row)).list();
    }

    static Optional<Long> position(Handle handle, String id) {
        return handle.createQuery("select position from tuning_job where id = :id")
                .bind("id", id)
                .mapTo(Long.class)
                .findOne();
    }

    /** The job whose turn it is: one that runs already, then by priority, then the oldest. */
    static Optional<Row> turn(Handle handle) {
        return handle.createQuery("select * from tuning_job where state in ('running', 'queued')"
                        + " order by case state when 'running' then 0 else 1 end, priority desc, position limit 1")
                .map((row, context) -> row(row))
                .findOne();
    }

    /** The oldest job whose files nobody has read yet. */
    static Optional<Row> unread(Handle handle) {
        return handle.createQuery("select * from tuning_job where state = 'validating_files' order by position limit 1")
                .map((row, context) -> row(row))
                .findOne();
    }

    /** Whether a queued job goes before this running one. */
    static boolean outranked(Handle handle, String id) {
        return handle.createQuery("select count(*) from tuning_job q, tuning_job r where r.id = :id"
                                + " and q.state = 'queued' and q.priority > r.priority")
                        .bind("id", id)
                        .mapTo(Long.class)
                        .one()
                > 0;
    }

    /** Moves a job along the table; false where it was not in {@code from} any more. */
    static boolean move(Handle handle, String id, JobState from, JobState to, Instant now) {
        if (!from.next().contains(to)) {
            throw new IllegalStateException("job state %s after %s".formatted(to, from));
        }
        return handle.createUpdate("update tuning_job set state = :to, finished_at = :finished"
                                + " where id = :id and state = :from")
                        .bind("to", to.wire())
                        .bind("finished", to.ended() ? now.toEpochMilli() : null)
                        .bind("id", id)
                        .bind("from", from.wire())
                        .execute()
                == 1;
    }

    static void plan(Handle handle, String id, JobPlan plan) {
        set(handle, id, "plan", JsonText.write(plan));
    }

    static void progress(Handle handle, String id, int steps, long tokens, Instant finish) {
        handle.createUpdate("update tuning_job set steps_done = :steps, trained_tokens = :tokens,"
                        + " estimated_finish = :finish where id = :id")
                .bind("steps", steps)
                .bind("tokens", tokens)
                .bind("finish", finish == null ? null : finish.toEpochMilli())
                .bind("id", id)
                .execute();
    }

    static void model(Handle handle, String id, String model) {
        set(handle, id, "fine_tuned_model", model);
    }

    static void result(Handle handle, String id, String file) {
        set(handle, id, "result_file", file);
    }

    static void error(Handle handle, String id, Job.Reason reason) {
        set(handle, id, "error_code", reason.code());
        set(handle, id, "error_message", reason.message());
        set(handle, id, "error_param", reason.param().orElse(null));
    }

    /** @param column a name of ours */
    private static void set(Handle handle, String id, String column, String value) {
        handle.createUpdate("update tuning_job set " + column + " = :value where id = :id")
                .bind("value", value)
                .bind("id", id)
                .execute();
    }

    private static Row row(ResultSet row) throws SQLException {
        Map<String, Object> request = JsonText.read(row.getString("request"), new TypeReference<>() {});
        JobSpec spec = JobSpecReader.read(request, 0);
        Optional<JobPlan> plan =
                Optional.ofNullable(row.getString("plan")).map(text -> JsonText.read(text, new TypeReference<>() {}));
        Optional<Job.Reason> error = Optional.ofNullable(row.getString("error_code"))
                .map(code -> new Job.Reason(code, text(row, "error_message").orElse(""), text(row, "error_param")));
        Job job = new Job(
                row.getString("id"),
                Instant.ofEpochMilli(row.getLong("created_at")),
                time(row, "finished_at"),
                JobState.ofWire(row.getString("state")),
                spec,
                row.getString("base_model"),
                plan.map(JobPlan::numbers),
                row.getLong("trained_tokens"),
                row.getInt("steps_done"),
                time(row, "estimated_finish"),
                text(row, "fine_tuned_model"),
                text(row, "result_file"),
                error);
        return new Row(job, row.getInt("priority"), row.getString("base_digest"), plan);
    }

    private static Optional<String> text(ResultSet row, String column) {
        try {
            return Optional.ofNullable(row.getString(column));
        } catch (SQLException e) {
            throw new IllegalStateException("column " + column, e);
        }
    }

    private static Optional<Instant> time(ResultSet row, String column) throws SQLException {
        long millis = row.getLong(column);
        return row.wasNull() ? Optional.empty() : Optional.of(Instant.ofEpochMilli(millis));
    }
}
