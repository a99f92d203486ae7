package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.eclipse.microprofile.config.ConfigProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Bodies whose length nobody told, and which turn out too large: refused with the limit by every route, and nothing is left. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class ChunkedBodiesTest {
    private static final int CHUNK = 1 << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TestHTTPResource
    URI server;

    /**
     * A route and its limit.
     *
     * @param head of the body, before what is too much
     */
    private record Route(String path, String type, String head, int megabytes, String setting) {
        @Override
        public String toString() {
            return path + " " + type;
        }

        static Route json(String path) {
            return new Route(path, "application/json", "{\"padding\":\"", 32, "nightshift.body-limit");
        }

        static Route form(String path, String head, int megabytes, String setting) {
            return new Route(path, "multipart/form-data; boundary=b", head, megabytes, setting);
        }
    }

    private static String part(String name, String file) {
        return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\""
                + (file.isEmpty() ? "" : "; filename=\"" + file + "\"\r\nContent-Type: application/octet-stream")
                + "\r\n\r\n";
    }

    static Stream<Route> routes() {
        String adapters = "/v1/adapters?name=chunked";
        String uploads = "nightshift.adapter-upload-limit";
        return Stream.of(
                new Route(adapters, "application/x-tar", "", 64, uploads),
                new Route(adapters, "application/zip", "PK", 64, uploads),
                Route.form("/v1/adapters", part("name", "") + "chunked\r\n" + part("file", "bot.tar"), 64, uploads),
                Route.form(
                        "/v1/adapters",
                        part("name", "")
                                + "chunked\r\n"
                                + part("files", "adapter_config.json")
                                + "{}\r\n"
                                + part("files", "adapter_model.safetensors"),
                        64,
                        uploads),
                Route.form(
                        "/v1/files",
                        part("purpose", "") + "fine-tune\r\n" + part("file", "x.jsonl"),
                        40,
                        "nightshift.files.file"),
                Route.form("/v1/uploads/upload_none/parts", part("data", "x"), 1, "nightshift.files.part"),
                Route.json("/v1/chat/completions"),
                Route.json("/v1/completions"),
                Route.json("/tokenize"),
                Route.json("/detokenize"),
                Route.json("/v1/uploads"),
                Route.json("/v1/fine_tuning/jobs"),
                Route.json("/v1/load_lora_adapter"),
                Route.json("/v1/adapters/chunked/compose"),
                Route.json("/v1/adapters/chunked/merge"));
    }

    private static RawHttp begin(URI server, Route route) throws IOException {
        RawHttp http = new RawHttp(server);
        http.send(("POST " + route.path() + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + route.type()
                        + "\r\nTransfer-Encoding: chunked\r\n\r\n")
                .getBytes(StandardCharsets.ISO_8859_1));
        if (!route.head().isEmpty()) {
            http.send(chunk(route.head()));
        }
        return http;
    }

    private static byte[] chunk(String text) {
        return (Integer.toHexString(text.length()) + "\r\n" + text + "\r\n").getBytes(StandardCharsets.ISO_8859_1);
    }

    private static void refused(String answer, Route route) {
        assertThat(answer).startsWith("HTTP/1.1 413");
        assertThat(answer.toLowerCase(Locale.ROOT)).contains("connection: close");
        error(Api.parse(answer.substring(answer.indexOf("\r\n\r\n") + 4)), route);
    }

    private static void error(JsonNode answer, Route route) {
        JsonNode error = answer.get("error");
        assertThat(error.get("code").asText()).isEqualTo("payload_too_large");
        assertThat(error.get("type").asText()).isEqualTo("invalid_request_error");
        assertThat(error.get("message").asText())
                .contains(Long.toString((long) route.megabytes() << 20), route.setting());
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        given().get("/v1/adapters/chunked").then().statusCode(404);
        given().get("/health/ready").then().statusCode(200);
        Path data = Path.of(ConfigProvider.getConfig().getValue("nightshift.data", String.class));
        eventually(() -> large(data).isEmpty());
        assertThat(large(data)).isEmpty();
    }

    /** Files that only an upload of these tests could be. */
    private static List<Path> large(Path folder) {
        List<Path> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = file.toString();
                if (name.contains("incoming") || name.contains(".staged")) {
                    found.add(file);
                }
            }
        } catch (IOException | UncheckedIOException e) {
            return List.of(folder); // it changes right now
        }
        return found;
    }

    private static void eventually(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean() && System.nanoTime() < end) {
            Thread.sleep(50);
        }
    }

    @ParameterizedTest
    @MethodSource("routes")
    void aBodyThatTurnsOutTooLargeIsRefusedWithTheLimitAndTheConnectionClosed(Route route) throws Exception {
        byte[] padding = chunk(" ".repeat(CHUNK));
        try (RawHttp http = begin(server, route)) {
            // one more than the limit, and some that are dropped
            for (int i = 0; i < route.megabytes() + 3; i++) {
                http.send(padding);
            }
            http.until("}}", PATIENCE);
            http.send("0\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1));
            refused(http.untilClosed(PATIENCE), route);
        }
    }

    @Test
    void aClientThatSendsOnForEverIsCutOff() throws Exception {
        Route route = routes().findFirst().orElseThrow();
        byte[] padding = chunk(" ".repeat(CHUNK));
        try (RawHttp http = begin(server, route)) {
            for (int i = 0; i < route.megabytes() + 1; i++) {
                http.send(padding);
            }
            http.until("}}", PATIENCE);
            long start = System.nanoTime();
            boolean cut = false;
            while (!cut && System.nanoTime() - start < PATIENCE.toNanos()) {
                try {
                    http.send(chunk(" ".repeat(1000)));
                    Thread.sleep(100);
                } catch (IOException e) {
                    cut = true;
                }
            }
            assertThat(cut).as("cut off within " + PATIENCE).isTrue();
            assertThat(System.nanoTime() - start)
                    .as("but not before it could read the answer")
                    .isGreaterThan(UnreadBody.LINGER_MILLIS * 500_000);
        }
    }

    @Test
    void aClientThatLeavesInTheMiddleLeavesNothing() throws Exception {
        byte[] padding = chunk(" ".repeat(CHUNK));
        for (Route route : routes().limit(5).toList()) {
            RawHttp http = begin(server, route);
            for (int i = 0; i < 5; i++) {
                http.send(padding);
            }
            http.reset();
        }
    }

    @ParameterizedTest
    @MethodSource("routes")
    void overHttp2TheAnswerIsTheSame(Route route) throws Exception {
        try (HttpClient client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build()) {
            // the upgrade, so that the body comes in frames
            client.send(
                    HttpRequest.newBuilder(server.resolve("/v1/models")).build(),
                    HttpResponse.BodyHandlers.discarding());
            HttpResponse<String> answer = client.send(
                    HttpRequest.newBuilder(server.resolve(route.path()))
                            .header("Content-Type", route.type())
                            .timeout(PATIENCE)
                            .POST(HttpRequest.BodyPublishers.ofInputStream(() -> endless(route)))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            assertThat(answer.version()).isEqualTo(HttpClient.Version.HTTP_2);
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(413);
            error(Api.parse(answer.body()), route);
        }
    }

    /** The head of a body, then blanks up to a little over the limit. */
    private static InputStream endless(Route route) {
        byte[] head = route.head().getBytes(StandardCharsets.ISO_8859_1);
        long bytes = ((long) route.megabytes() << 20) + 3 * CHUNK;
        return new InputStream() {
            private long at;

            @Override
            public int read() {
                if (at >= bytes) {
                    return -1;
                }
                return at < head.length ? head[(int) at++] : blank();
            }

            private int blank() {
                at++;
                return ' ';
            }
        };
    }
}
