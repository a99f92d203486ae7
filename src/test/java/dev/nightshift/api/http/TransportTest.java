package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.hasKey;
import static org.hamcrest.Matchers.matchesPattern;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.notNullValue;
import static org.hamcrest.Matchers.nullValue;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.config.EncoderConfig;
import io.restassured.config.RestAssuredConfig;
import io.restassured.response.ValidatableResponse;
import io.restassured.specification.RequestSpecification;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What never reaches a resource, or reaches it in an unusual way. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class TransportTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String BODY =
            "{\"model\":\"nightshift-tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2,\"temperature\":0}";

    @TestHTTPResource
    URI server;

    private static ValidatableResponse error(ValidatableResponse answer, int status, String code) {
        return answer.statusCode(status)
                .contentType(containsString("json"))
                .body("error.message", notNullValue())
                .body("error.type", notNullValue())
                .body("error", hasKey("param"))
                .body("error.code", code == null ? nullValue() : equalTo(code));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/",
                "/v1",
                "/v1/nothing",
                "/nothing",
                "/v1/chat",
                "/v1/chat/completions/x",
                "/%2e%2e/etc",
                "/v1/embeddings"
            })
    void anUnknownRouteIsA404InOpenAisShape(String path) {
        error(given().urlEncodingEnabled(false).get(path).then(), 404, "not_found");
        error(
                given().urlEncodingEnabled(false)
                        .contentType("application/json")
                        .body("{}")
                        .post(path)
                        .then(),
                404,
                "not_found");
    }

    @ParameterizedTest
    @CsvSource({
        "GET,/v1/chat/completions",
        "DELETE,/v1/chat/completions",
        "PUT,/v1/completions",
        "POST,/v1/models",
        "GET,/tokenize",
        "POST,/tokenizer_info"
    })
    void aWrongMethodIsA405InOpenAisShape(String method, String path) {
        error(given().request(method, path).then(), 405, "method_not_allowed");
    }

    @Test
    void aBodyOverTheLimitIsA413InOpenAisShapeWithItsLengthTold() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.send(("POST " + CHAT
                            + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000000\r\n\r\n")
                    .getBytes(StandardCharsets.ISO_8859_1));
            assertThat(http.until("payload_too_large", Duration.ofSeconds(5)))
                    .startsWith("HTTP/1.1 413")
                    .contains("900000000")
                    .contains("\"param\":null");
        }
    }

    @Test
    void aBodyOverTheLimitThatIsSentWholeIsA413() throws Exception {
        byte[] body = new byte[33 << 20];
        Arrays.fill(body, (byte) ' ');
        try (HttpClient client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
            HttpResponse<String> answer = client.send(
                    HttpRequest.newBuilder(server.resolve(CHAT))
                            .header("Content-Type", "application/json")
                            .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            assertThat(answer.statusCode()).isEqualTo(413);
            assertThat(answer.body()).contains("payload_too_large");
        }
    }

    @Test
    void aChunkedBodyOverTheLimitIsA413InOpenAisShape() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.send(("POST " + CHAT
                            + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                    .getBytes(StandardCharsets.ISO_8859_1));
            byte[] chunk = ("100000\r\n" + " ".repeat(1 << 20) + "\r\n").getBytes(StandardCharsets.ISO_8859_1);
            try {
                for (int i = 0; i < 34; i++) {
                    http.send(chunk);
                }
            } catch (IOException e) {
                // the server may hang up on what it does not read
            }
            assertThat(http.until("payload_too_large", Duration.ofSeconds(10))).startsWith("HTTP/1.1 413");
        }
    }

    @Test
    void aGzippedBombIsA413() throws Exception {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            byte[] spaces = " ".repeat(1 << 20).getBytes(StandardCharsets.ISO_8859_1);
            for (int i = 0; i < 40; i++) {
                gzip.write(spaces);
            }
        }
        error(
                raw().header("Content-Encoding", "gzip")
                        .contentType("application/json")
                        .body(packed.toByteArray())
                        .post(CHAT)
                        .then(),
                413,
                "payload_too_large");
    }

    @Test
    void aGzippedBodyIsRead() throws Exception {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write(BODY.getBytes(StandardCharsets.UTF_8));
        }
        raw().header("Content-Encoding", "gzip")
                .contentType("application/json")
                .body(packed.toByteArray())
                .post(CHAT)
                .then()
                .statusCode(200);
    }

    private static RequestSpecification raw() {
        return given().config(RestAssuredConfig.config()
                .encoderConfig(
                        EncoderConfig.encoderConfig().appendDefaultContentCharsetToContentTypeIfUndefined(false)));
    }

    @Test
    void aChunkedBodyIsRead() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.send(
                    ("POST " + CHAT + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
                                    + "Transfer-Encoding: chunked\r\n\r\n" + Integer.toHexString(BODY.length()) + "\r\n"
                                    + BODY + "\r\n0\r\n\r\n")
                            .getBytes(StandardCharsets.ISO_8859_1));
            assertThat(http.untilClosed(Duration.ofSeconds(10))).startsWith("HTTP/1.1 200");
        }
    }

    @Test
    void noContentTypeCountsAsJson() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.send(("POST " + CHAT + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + BODY.length()
                            + "\r\n\r\n" + BODY)
                    .getBytes(StandardCharsets.ISO_8859_1));
            assertThat(http.untilClosed(Duration.ofSeconds(10))).startsWith("HTTP/1.1 200");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "application/x-www-form-urlencoded",
                "text/plain",
                "application/xml",
                "multipart/form-data; boundary=x",
                "nonsense"
            })
    void anotherContentTypeIsA415(String type) throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.send(("POST " + CHAT + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " + type
                            + "\r\nContent-Length: " + BODY.length() + "\r\n\r\n" + BODY)
                    .getBytes(StandardCharsets.ISO_8859_1));
            assertThat(http.untilClosed(Duration.ofSeconds(10)))
                    .startsWith("HTTP/1.1 415")
                    .contains("\"code\":\"unsupported_media_type\"");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"})
    void jsonBySeveralNamesIsRead(String type) {
        raw().contentType(type)
                .body(BODY.getBytes(StandardCharsets.UTF_8))
                .post(CHAT)
                .then()
                .statusCode(200);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "7",
                "{\"model\":\"nightshift-tiny\",\"temperature\":NaN}",
                "{\"a\":1e999}",
                "{\"a\":\"\\ud800\"}"
            })
    void bodiesThatAreNoJsonAre400(String body) {
        error(given().contentType("application/json").body(body).post(CHAT).then(), 400, null);
        error(
                given().contentType("application/json")
                        .body(body)
                        .post("/v1/completions")
                        .then(),
                400,
                null);
        error(
                given().contentType("application/json")
                        .body(body)
                        .post("/tokenize")
                        .then(),
                400,
                null);
    }

    @Test
    void jsonNested5000DeepIsA400AndTheServerLives() {
        String deep = "{\"messages\":" + "[".repeat(5000) + "]".repeat(5000) + "}";
        error(given().contentType("application/json").body(deep).post(CHAT).then(), 400, null);
        given().get("/health/live").then().statusCode(200);
    }

    @Test
    void badUtf8IsA400() {
        byte[] body = BODY.getBytes(StandardCharsets.ISO_8859_1);
        body[body.length / 2] = (byte) 0xff;
        error(raw().contentType("application/json").body(body).post(CHAT).then(), 400, null);
    }

    @ParameterizedTest
    @ValueSource(strings = {"//v1/models", "/v1/models/", "//v1//models//", "/v1/models?x=1"})
    void pathsAsClientsMangleThemAreUnderstood(String path) throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.send(("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    .getBytes(StandardCharsets.ISO_8859_1));
            assertThat(http.untilClosed(Duration.ofSeconds(5)))
                    .startsWith("HTTP/1.1 200")
                    .contains("nightshift-tiny");
        }
        try (RawHttp http = new RawHttp(server)) {
            http.post("//v1/chat/completions/", BODY, "Connection: close");
            assertThat(http.untilClosed(Duration.ofSeconds(10))).startsWith("HTTP/1.1 200");
        }
    }

    @Test
    void headAndOptionsAreAnswered() {
        given().head("/v1/models").then().statusCode(200);
        given().head("/health/live").then().statusCode(200);
        given().options("/v1/chat/completions").then().statusCode(200).header("Allow", containsString("POST"));
    }

    @Test
    void aBrowsersPreflightFromLocalhostIsAllowed() {
        given().header("Origin", "http://localhost:3000")
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os")
                .options(CHAT)
                .then()
                .statusCode(200)
                .header("Access-Control-Allow-Origin", "http://localhost:3000")
                .header("Access-Control-Allow-Headers", containsString("x-stainless-os"));
        given().header("Origin", "http://127.0.0.1:8080")
                .get("/v1/models")
                .then()
                .statusCode(200)
                .header("Access-Control-Allow-Origin", "http://127.0.0.1:8080");
    }

    @Test
    void aForeignOriginIsNotAllowed() {
        given().header("Origin", "https://evil.example")
                .header("Access-Control-Request-Method", "POST")
                .options(CHAT)
                .then()
                .header("Access-Control-Allow-Origin", nullValue());
    }

    @Test
    void everyAnswerHasARequestIdAndItsTime() {
        given().get("/v1/models")
                .then()
                .header("x-request-id", matchesPattern("req_[0-9a-f]{32}"))
                .header("openai-processing-ms", matchesPattern("\\d+"));
        given().header("x-request-id", "mine-1").get("/v1/nothing").then().header("x-request-id", "mine-1");
        given().header("x-request-id", "a b\"")
                .get("/v1/models")
                .then()
                .header("x-request-id", matchesPattern("req_.*"));
    }

    @Test
    void aFullQueueIsA429WithRetryAfter() {
        String full = BODY.replace("\"max_tokens\"", "\"cache_salt\":\"script:full:x\",\"max_tokens\"");
        error(given().contentType("application/json").body(full).post(CHAT).then(), 429, "rate_limit_exceeded")
                .header("Retry-After", "3")
                .body("error.type", equalTo("rate_limit_error"));
        String streamed = full.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
        error(given().contentType("application/json").body(streamed).post(CHAT).then(), 429, "rate_limit_exceeded");
    }

    @Test
    void aConflictTellsClientsNotToRetry() {
        String conflict = BODY.replace("\"max_tokens\"", "\"cache_salt\":\"script:conflict:x\",\"max_tokens\"");
        error(given().contentType("application/json").body(conflict).post(CHAT).then(), 409, "conflict")
                .header("x-should-retry", "false");
    }

    @Test
    void aMistakeOfOursIsA500WithoutItsInnards() {
        String bug = BODY.replace("\"max_tokens\"", "\"cache_salt\":\"script:bug:x\",\"max_tokens\"");
        error(given().contentType("application/json").body(bug).post(CHAT).then(), 500, "internal_error")
                .body("error.message", not(containsString("secret")));
    }

    @Test
    void aClearTextUpgradeToHttp2KeepsALargeBody() throws Exception {
        String large =
                BODY.replace("\"temperature\":0", "\"temperature\":0,\"padding\":\"" + "x".repeat(300_000) + "\"");
        try (HttpClient client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build()) {
            for (int i = 0; i < 2; i++) {
                HttpResponse<String> answer = client.send(
                        HttpRequest.newBuilder(server.resolve(CHAT))
                                .header("Content-Type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString(large))
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
                assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
                assertThat(answer.version()).isEqualTo(HttpClient.Version.HTTP_2);
            }
        }
    }
}
