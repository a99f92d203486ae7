package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.TestSettings;
import dev.nightshift.api.OpenFiles;
import dev.nightshift.api.SocketBuffers;
import dev.nightshift.api.VirtualThreads;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Downloads whose readers take nothing, or leave. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class SlowDownloadTest {
    private static final Duration SOON = Duration.ofSeconds(20);
    /** The client's receive buffer. */
    private static final int RECEIVE = 4096;
    /** A kernel tells of room in a full buffer once a third of it is free, 1.4 MB of Linux' 4 MiB. */
    private static final int BYTES_A_SECOND = 2 << 20;

    private static final int SECONDS = 6;

    @TestHTTPResource
    URI server;

    @Inject
    InFlight inFlight;

    @BeforeEach
    void positionsAreTold() {
        OpenFiles.assumeTold();
    }

    private static String upload(byte[] content) {
        return given().multiPart("purpose", "user_data")
                .multiPart("file", "large.bin", content)
                .post("/v1/files")
                .then()
                .statusCode(200)
                .extract()
                .path("id");
    }

    /** Asks, takes the answer's head and no more. */
    private RawHttp stubborn(String path) throws IOException {
        RawHttp http = new RawHttp(server, RECEIVE).get(path, "Connection: close");
        assertThat(http.until("\r\n\r\n", SOON)).startsWith("HTTP/1.1 200");
        return http;
    }

    private void waitsForItsReaderWhichIsGivenUp(String path, Predicate<Path> file, long bytes) throws Exception {
        // kernels differ in what they hold for a connection; without back-pressure it is all
        assertThat(bytes).as("more than the connection holds").isGreaterThan(4 * SocketBuffers.sendMax());
        try (RawHttp reader = stubborn(path)) {
            assertThat(OpenFiles.settled(file))
                    .as("bytes taken from the file for a reader of nothing")
                    .isLessThan(bytes / 2);
            // the reader stays, for longer than the tests' nightshift.slow-reader
            assertThat(OpenFiles.closed(file, SOON)).as("given up").isTrue();
            assertThat(inFlight.awaitNone(SOON))
                    .as("requests that still count while the reader keeps its connection")
                    .isZero();
            assertThat(VirtualThreads.live(Downloads.THREAD))
                    .as("a thread is left")
                    .isFalse();
            assertThat(reader.bytesUntilClosed(SOON))
                    .as("what the connection held")
                    .isLessThan(bytes / 2);
        }
    }

    /** Takes some of it each second, for longer than nightshift.slow-reader. */
    private void isReadSteadily(String path, Predicate<Path> file, long bytes) throws Exception {
        try (RawHttp reader = stubborn(path)) {
            for (int second = 0; second < SECONDS; second++) {
                Thread.sleep(1000);
                reader.skip(BYTES_A_SECOND);
            }
            // the head and a little more have been seen
            assertThat(SECONDS * (long) BYTES_A_SECOND + reader.bytesUntilClosed(SOON))
                    .as("all of it")
                    .isGreaterThan(bytes - 2 * RECEIVE);
        }
        assertThat(OpenFiles.closed(file, SOON)).as("closed at its end").isTrue();
        assertThat(inFlight.awaitNone(SOON))
                .as("requests that still count at the end")
                .isZero();
    }

    private void endsWithItsReader(String path, Predicate<Path> file) throws Exception {
        RawHttp reader = stubborn(path);
        OpenFiles.settled(file);
        reader.reset();
        assertThat(OpenFiles.closed(file, SOON))
                .as("closed once the reader left")
                .isTrue();
        assertThat(inFlight.awaitNone(SOON))
                .as("requests that still count once the reader left")
                .isZero();
    }

    @Test
    void aFilesContentWaitsOnDiskForItsReader() throws Exception {
        byte[] content = new byte[36 << 20];
        String id = upload(content);
        String path = "/v1/files/" + id + "/content";
        waitsForItsReaderWhichIsGivenUp(path, open -> open.endsWith(id), content.length);
        isReadSteadily(path, open -> open.endsWith(id), content.length);
        endsWithItsReader(path, open -> open.endsWith(id));
        given().delete("/v1/files/" + id).then().statusCode(200);
    }

    @Test
    void anAdaptersArchiveWaitsOnDiskForItsReader() throws Exception {
        TinyAdapter adapter = TinyAdapter.withHead(256, 81);
        given().queryParam("name", "unread")
                .contentType("application/x-tar")
                .body(adapter.tar())
                .post("/v1/adapters")
                .then()
                .statusCode(200);
        Predicate<Path> weights =
                open -> open.toString().contains("/unread/") && open.endsWith("adapter_model.safetensors");
        waitsForItsReaderWhichIsGivenUp("/v1/adapters/unread/download", weights, adapter.weights().length);
        isReadSteadily("/v1/adapters/unread/download", weights, adapter.weights().length);
        endsWithItsReader("/v1/adapters/unread/download", weights);
        given().delete("/v1/adapters/unread").then().statusCode(200);
    }
}
