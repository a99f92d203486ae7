package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.TestSettings;
import dev.nightshift.api.EventfulJob;
import dev.nightshift.api.SocketBuffers;
import dev.nightshift.api.VirtualThreads;
import dev.nightshift.store.Database;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A job's events for readers of all, of nothing, and those that leave. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class SlowEventsTest {
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final int RECEIVE = 4096;

    @TestHTTPResource
    URI server;

    @Inject
    Database database;

    @Inject
    InFlight inFlight;

    private static String path(EventfulJob job) {
        return "/v1/fine_tuning/jobs/" + job.id() + "/events?stream=true";
    }

    private RawHttp stubborn(EventfulJob job) throws IOException {
        RawHttp http = new RawHttp(server, RECEIVE).get(path(job));
        http.until("data: ", SOON);
        return http;
    }

    private static void awaitNoStream() throws IOException, InterruptedException {
        long end = System.nanoTime() + SOON.toNanos();
        while (VirtualThreads.live("job-events")) {
            assertThat(System.nanoTime()).as("a stream's thread is left").isLessThan(end);
            Thread.sleep(100);
        }
    }

    @Test
    void eventsWaitInTheDatabaseForTheirReader() throws Exception {
        try (EventfulJob job =
                new EventfulJob(database, given().get("/v1/models").path("data[0].id"))) {
            String all = given().get(path(job)).then().statusCode(200).extract().asString();
            // the last one says that it is over
            assertThat(all.lines().filter(line -> line.startsWith("data: ")).count() - 1)
                    .isGreaterThan(EventfulJob.EVENTS)
                    .isEqualTo(job.events());
            assertThat(all).endsWith("data: [DONE]\n\n");
            assertThat(job.settledRowsRead()).isGreaterThan(EventfulJob.EVENTS);

            assertThat(inFlight.awaitNone(SOON))
                    .as("requests that still count after a whole stream")
                    .isZero();
            job.recount();
            // kernels differ in what they hold for a connection; without back-pressure it is all
            assertThat(EventfulJob.EVENTS * (long) EventfulJob.EVENT_CHARACTERS)
                    .as("more than the connection holds")
                    .isGreaterThan(3 * SocketBuffers.sendMax());
            try (RawHttp reader = stubborn(job)) {
                assertThat(job.settledRowsRead())
                        .as("events read for a reader of one")
                        .isBetween(1L, EventfulJob.EVENTS / 2L);
                // given up after the tests' nightshift.slow-reader
                awaitNoStream();
                assertThat(reader.text()).doesNotContain("[DONE]");
                assertThat(inFlight.awaitNone(SOON))
                        .as("requests that still count while the reader keeps its connection")
                        .isZero();
            }

            RawHttp leaving = stubborn(job);
            leaving.reset();
            awaitNoStream();
            assertThat(inFlight.awaitNone(SOON))
                    .as("requests that still count once their client has left")
                    .isZero();
        }
    }
}
