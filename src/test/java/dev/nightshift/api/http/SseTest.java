package dev.nightshift.api.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.TestSettings;
import dev.nightshift.api.SocketBuffers;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Streams on the wire: their bytes, and what happens when the other side leaves, sleeps or breaks. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class SseTest {
    private static final Duration SOON = Duration.ofSeconds(10);
    /** At least, of a token in a stream. */
    private static final int FRAME_BYTES = 250;

    private static final String END = "data: [DONE]\n\n";

    @TestHTTPResource
    URI server;

    @Inject
    InFlight inFlight;

    private static String chat(String more) {
        return "{\"model\":\"nightshift-tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":8,"
                + more + "}";
    }

    private static String script(String kind, String name) {
        return "\"stream\":true,\"cache_salt\":\"script:" + kind + ":" + name + "\"";
    }

    @Test
    void framesAreDataLinesWithASpaceAndNothingElse() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.post("/v1/chat/completions", chat(script("late", "frames")), "Connection: close");
            String answer = http.untilClosed(SOON);
            String head = answer.substring(0, answer.indexOf("\r\n\r\n")).toLowerCase();
            assertThat(head)
                    .startsWith("http/1.1 200")
                    .contains("content-type: text/event-stream; charset=utf-8")
                    .contains("cache-control: no-cache")
                    .contains("x-accel-buffering: no")
                    .contains("x-request-id: ")
                    .contains("openai-processing-ms: ")
                    .doesNotContain("content-encoding");
            String body = RawHttp.unchunked(answer);
            assertThat(body)
                    .endsWith(END)
                    .doesNotContain("\r")
                    .doesNotContain("id:")
                    .doesNotContain("retry:");
            List<String> frames = List.of(body.split("\n\n"));
            assertThat(frames).allMatch(frame -> frame.startsWith("data: {") || frame.equals("data: [DONE]"));
            assertThat(frames).hasSizeBetween(4, 5);
            assertThat(frames.getFirst()).contains("\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
            assertThat(frames.get(frames.size() - 2)).contains("\"delta\":{}").contains("\"finish_reason\":\"length\"");
            String id = Pattern.compile("\"id\":\"(chatcmpl-[0-9a-f]+)\"")
                    .matcher(body)
                    .results()
                    .findFirst()
                    .orElseThrow()
                    .group(1);
            assertThat(frames.subList(0, frames.size() - 1)).allMatch(frame -> frame.contains(id));
        }
    }

    @Test
    void acceptDoesNotMatter() throws Exception {
        for (String accept : List.of("application/json", "text/event-stream", "*/*", "text/html")) {
            try (RawHttp http = new RawHttp(server)) {
                http.post(
                        "/v1/chat/completions",
                        chat(script("late", "accept")),
                        "Accept: " + accept,
                        "Connection: close");
                assertThat(http.untilClosed(SOON)).startsWith("HTTP/1.1 200").contains("[DONE]");
            }
        }
    }

    @Test
    void aWaitingRequestHasItsHeadersAtOnceAndCommentsMeanwhile() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.post("/v1/chat/completions", chat(script("wait", "pings")));
            String seen = http.until(": ping\n\n", SOON);
            assertThat(seen).startsWith("HTTP/1.1 200").contains("text/event-stream");
        }
        assertThat(ScriptedEngine.sequence("script:wait:pings").awaitCancelled(SOON))
                .isTrue();
    }

    @Test
    void aFailureInTheMiddleIsAnErrorEventAndNoFinishReason() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.post("/v1/chat/completions", chat(script("breaks", "middle")), "Connection: close");
            String body = RawHttp.unchunked(http.untilClosed(SOON));
            assertThat(body)
                    .contains(
                            "event: error\ndata: {\"error\":{\"message\":\"the logits of token 2 are not finite\",\"type\":"
                                    + "\"server_error\",\"param\":null,\"code\":\"non_finite_logits\"}}\n\n")
                    .doesNotContain("[DONE]")
                    .doesNotContain("\"finish_reason\":\"");
        }
    }

    @Test
    void aFailureWithoutAStreamKeepsItsStatus() throws Exception {
        HttpResponse<String> answer = post(chat("\"cache_salt\":\"script:breaks:whole\""));
        assertThat(answer.statusCode()).isEqualTo(500);
        assertThat(answer.body()).contains("non_finite_logits");
    }

    @Test
    void aStreamThatTheClientClosesIsCancelled() throws Exception {
        try (RawHttp http = new RawHttp(server)) {
            http.post("/v1/chat/completions", chat(script("drip", "close")));
            http.until("\"content\":\"", SOON);
        }
        assertThat(ScriptedEngine.sequence("script:drip:close").awaitCancelled(SOON))
                .isTrue();
    }

    @Test
    void aStreamThatTheClientResetsIsCancelled() throws Exception {
        RawHttp http = new RawHttp(server);
        http.post("/v1/chat/completions", chat(script("drip", "reset")));
        http.until("\"content\":\"", SOON);
        http.reset();
        assertThat(ScriptedEngine.sequence("script:drip:reset").awaitCancelled(SOON))
                .isTrue();
    }

    @Test
    void aRequestWithoutAStreamIsCancelledWhenItsClientLeaves() throws Exception {
        RawHttp http = new RawHttp(server);
        http.post("/v1/chat/completions", chat("\"cache_salt\":\"script:wait:whole\""));
        ScriptedEngine.Scripted sequence = ScriptedEngine.sequence("script:wait:whole");
        assertThat(sequence.isCancelled()).isFalse();
        http.close();
        assertThat(sequence.awaitCancelled(SOON)).isTrue();
    }

    @Test
    void anHttp2StreamThatIsResetIsCancelled() throws Exception {
        try (HttpClient client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build()) {
            // the first request upgrades the connection
            client.send(
                    HttpRequest.newBuilder(server.resolve("/v1/models")).build(),
                    HttpResponse.BodyHandlers.discarding());
            var answer = client.sendAsync(request(chat(script("drip", "h2"))), HttpResponse.BodyHandlers.ofLines())
                    .get();
            assertThat(answer.version()).isEqualTo(HttpClient.Version.HTTP_2);
            var lines = answer.body();
            assertThat(lines.limit(3).toList().getFirst()).startsWith("data: {");
            lines.close();
            client.shutdownNow();
        }
        assertThat(ScriptedEngine.sequence("script:drip:h2").awaitCancelled(SOON))
                .isTrue();
    }

    @Test
    void aSlowReaderStopsTheProducerAndIsGivenUp() throws Exception {
        try (RawHttp http = new RawHttp(server, 4096)) {
            http.post("/v1/chat/completions", chat(script("flood", "slow")));
            http.until("data: ", SOON);
            ScriptedEngine.Scripted sequence = ScriptedEngine.sequence("script:flood:slow");
            long seen = -1;
            while (sequence.polled.get() != seen) {
                seen = sequence.polled.get();
                Thread.sleep(500);
            }
            // 64 KiB of ours and the kernel's send buffer; the client's has some KiB
            long kernel = SocketBuffers.sendMax();
            assertThat(seen)
                    .as("tokens written before the connection was full, kernel buffer of %d bytes", kernel)
                    .isBetween(1L, (kernel + (1 << 16) + (1 << 13)) / FRAME_BYTES + 1);
            assertThat(sequence.awaitCancelled(SOON)).as("given up").isTrue();
        }
        assertThat(inFlight.awaitNone(SOON)).as("requests that still count").isZero();
    }

    @Test
    void otherStreamsRunOnBesideASlowReader() throws Exception {
        try (RawHttp slow = new RawHttp(server, 4096)) {
            slow.post("/v1/chat/completions", chat(script("flood", "beside")));
            ScriptedEngine.sequence("script:flood:beside");
            HttpResponse<String> other = post(chat(script("late", "beside")));
            assertThat(other.body()).endsWith(END);
        }
    }

    @Test
    void severalChoicesHaveOneDone() throws Exception {
        String body = post(chat(script("late", "several") + ",\"n\":3")).body();
        assertThat(body.split("\\[DONE\\]", -1)).hasSize(2);
        assertThat(Pattern.compile("\"finish_reason\":\"length\"").matcher(body).results())
                .hasSize(3);
    }

    @Test
    void moreRequestsThanTheLimitAreRefusedBeforeTheyAreRead() throws Exception {
        List<RawHttp> clients = new ArrayList<>();
        try {
            for (int i = 0; i < 250; i++) {
                clients.add(new RawHttp(server).post("/v1/chat/completions", chat(script("wait", "crowd" + i))));
            }
            clients.getLast().until("text/event-stream", SOON);
            HttpResponse<String> refused = post(chat(script("wait", "one too many")));
            assertThat(refused.statusCode()).isEqualTo(429);
            assertThat(refused.headers().firstValue("Retry-After")).contains("1");
            assertThat(refused.body()).contains("rate_limit_exceeded").contains("250");
        } finally {
            for (RawHttp client : clients) {
                client.close();
            }
        }
        assertThat(ScriptedEngine.sequence("script:wait:crowd0").awaitCancelled(SOON))
                .isTrue();
        HttpResponse<String> again = post(chat(script("late", "after the crowd")));
        assertThat(again.statusCode()).isEqualTo(200);
    }

    private HttpRequest request(String json) {
        return HttpRequest.newBuilder(server.resolve("/v1/chat/completions"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(json))
                .build();
    }

    private HttpResponse<String> post(String json) throws Exception {
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(request(json), HttpResponse.BodyHandlers.ofString());
        }
    }
}
