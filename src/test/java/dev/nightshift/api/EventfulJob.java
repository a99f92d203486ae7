package dev.nightshift.api;

import dev.nightshift.store.Database;
import io.restassured.RestAssured;
import java.nio.charset.StandardCharsets;

/**
 * A job that has ended and has many large events. Its database counts the rows that readers of events take, so that a test
 * sees how far the server reads ahead of a client.
 */
public final class EventfulJob implements AutoCloseable {
    /** Events beside the job's own. */
    public static final int EVENTS = 4000;
    /** Characters of an event's message. */
    public static final int EVENT_CHARACTERS = 4096;
    /** Rows that the server reads at a time: the events of a turn, and one to see whether there are more. */
    public static final int TURN = 101;

    private final Database database;
    private final String id;

    /** @param model of the job */
    public EventfulJob(Database database, String model) {
        this.database = database;
        id = RestAssured.given()
                .contentType("application/json")
                .body("{\"model\":\"%s\",\"training_file\":\"%s\"}".formatted(model, upload()))
                .post("/v1/fine_tuning/jobs")
                .path("id");
        RestAssured.post("/v1/fine_tuning/jobs/" + id + "/cancel").then().statusCode(200);
        database.run(handle -> {
            handle.createUpdate("insert into tuning_event (id, job_id, created_at, level, kind, message)"
                            + " select 'ftevent-' || cast(:job as varchar) || '-' || \"X\", :job, 0, 'info', 'message',"
                            + " repeat('x', :characters) from system_range(1, :events)")
                    .bind("job", id)
                    .bind("characters", EVENT_CHARACTERS)
                    .bind("events", EVENTS)
                    .execute();
            handle.execute("set query_statistics true");
        });
    }

    private static String upload() {
        String row = "{\"prompt\":\"one\",\"completion\":\" two\"}\n";
        return RestAssured.given()
                .multiPart("purpose", "fine-tune")
                .multiPart("file", "rows.jsonl", row.repeat(10).getBytes(StandardCharsets.UTF_8))
                .post("/v1/files")
                .path("id");
    }

    public String id() {
        return id;
    }

    /** Rows that followers of events have read since the job was made. */
    private long rowsRead() {
        return database.read(handle -> handle.createQuery(
                        "select coalesce(sum(cumulative_row_count), 0) from information_schema.query_statistics"
                                + " where sql_statement like '%from tuning_event%position asc%'")
                .mapTo(Long.class)
                .one());
    }

    /** The same once no more are read. */
    public long settledRowsRead() throws InterruptedException {
        long before = -1;
        long now = rowsRead();
        for (int i = 0; i < 60 && (now != before || now == 0); i++) {
            before = now;
            Thread.sleep(500);
            now = rowsRead();
        }
        return now;
    }

    /** All its events, the job's own among them; how many those are depends on how far it came before it was cancelled. */
    public long events() {
        return database.read(handle -> handle.createQuery("select count(*) from tuning_event where job_id = :job")
                .bind("job", id)
                .mapTo(Long.class)
                .one());
    }

    /** Counts from 0 again. */
    public void recount() {
        database.run(handle -> {
            handle.execute("set query_statistics false");
            handle.execute("set query_statistics true");
        });
    }

    @Override
    public void close() {
        database.run(handle -> {
            handle.execute("set query_statistics false");
            handle.createUpdate("delete from tuning_event where job_id = :job and id like '%-' || :job || '-%'")
                    .bind("job", id)
                    .execute();
        });
    }
}
