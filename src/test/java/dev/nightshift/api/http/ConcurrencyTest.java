package dev.nightshift.api.http;

import static dev.nightshift.api.http.Api.CHAT;
import static dev.nightshift.api.http.Api.chat;
import static dev.nightshift.api.http.Api.content;
import static dev.nightshift.api.http.Api.ok;
import static dev.nightshift.api.http.Api.stream;
import static dev.nightshift.api.http.Api.text;
import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.matchesPattern;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Many requests at a time on the real engine. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class ConcurrencyTest {
    private static final long SEED = 20261125;

    @TestHTTPResource
    URI server;

    private static double metric(String name) {
        String metrics =
                given().get("/metrics").then().statusCode(200).extract().asString();
        return Double.parseDouble(metrics.lines()
                .filter(line -> line.startsWith(name + "{"))
                .findFirst()
                .orElseThrow()
                .replaceAll(".*} ", ""));
    }

    private static void awaitIdle() throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (metric("vllm:num_requests_running") + metric("vllm:num_requests_waiting") > 0) {
            assertThat(System.nanoTime()).as("sequences left behind after 30 s").isLessThan(end);
            Thread.sleep(50);
        }
    }

    @Test
    void sixtyFourStreamsOfMixedLengthsSayWhatEachSaysAlone() throws Exception {
        Random random = new Random(SEED);
        List<String> bodies = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            String user = "Number " + i + ". " + "Tell me more about it. ".repeat(random.nextInt(12));
            bodies.add(chat(user, "\"max_tokens\":" + (2 + random.nextInt(24))));
        }
        List<Callable<String>> calls = new ArrayList<>();
        for (String body : bodies) {
            String streamed = body.substring(0, body.length() - 1) + ",\"stream\":true}";
            calls.add(() -> text(stream(CHAT, streamed), 0));
        }
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> together = clients.invokeAll(calls);
            for (int i = 0; i < bodies.size(); i++) {
                assertThat(together.get(i).get())
                        .as("request %d of seed %d", i, SEED)
                        .isEqualTo(content(ok(CHAT, bodies.get(i))));
            }
        }
    }

    @Test
    void twoHundredRequestsCancelledAtRandomLeaveNothingBehind() throws Exception {
        awaitIdle();
        double blocks = metric("nightshift_kv_blocks_used");
        int threads = Thread.activeCount();
        Random random = new Random(SEED);
        List<Callable<Void>> calls = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            String body = chat("Request " + i, "\"max_tokens\":400,\"ignore_eos\":true,\"stream\":" + (i % 3 != 0));
            long leaveAfter = random.nextInt(400);
            boolean reset = random.nextBoolean();
            calls.add(() -> leave(body, leaveAfter, reset));
        }
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<Void> call : clients.invokeAll(calls)) {
                call.get();
            }
        }
        awaitIdle();
        assertThat(metric("nightshift_kv_blocks_used")).as("blocks in use").isEqualTo(blocks);
        assertThat(Thread.activeCount()).as("threads, but for those of pools").isLessThan(threads + 40);
        assertThat(content(ok(CHAT, chat("Still there?", "\"max_tokens\":4")))).isNotNull();
    }

    /**
     * A prompt of several steps, left in the midst of them: no token of it is made, its blocks come back, and the next request
     * of the same session, which may share what was computed, says what it says alone.
     */
    @Test
    void aClientThatLeavesDuringItsPromptHarmsNoNextRequest() throws Exception {
        awaitIdle();
        String session = "Once there was a lighthouse keeper who counted ships. ".repeat(60);
        String salted = "\"cache_salt\":\"%s\",\"max_tokens\":12,\"ignore_eos\":true";
        String alone = content(ok(CHAT, chat(session, salted.formatted("alone"))));
        double blocks = metric("nightshift_kv_blocks_used");
        int leftInPrompt = 0;
        for (int i = 0; i < 12; i++) {
            double steps = metric("nightshift_engine_steps_total");
            double tokens = metric("vllm:generation_tokens_total");
            // scores make the steps of a prompt small
            RawHttp client = new RawHttp(server);
            client.post(
                    CHAT,
                    chat(
                            session,
                            salted.formatted("left" + i) + ",\"stream\":" + (i % 2 == 0)
                                    + (i % 4 == 1 ? ",\"prompt_logprobs\":0" : "")));
            long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
            while (metric("nightshift_engine_steps_total") == steps) {
                assertThat(System.nanoTime()).as("no step within 20 s").isLessThan(end);
            }
            client.reset();
            awaitIdle();
            assertThat(metric("nightshift_kv_blocks_used")).as("blocks in use").isEqualTo(blocks);
            if (metric("vllm:generation_tokens_total") == tokens) {
                leftInPrompt++;
            }
            assertThat(content(ok(CHAT, chat(session, salted.formatted("left" + i)))))
                    .as("the next request of session %d", i)
                    .isEqualTo(alone);
        }
        assertThat(leftInPrompt).as("of 12 that left before their first token").isPositive();
    }

    private Void leave(String body, long afterMillis, boolean reset) throws IOException, InterruptedException {
        RawHttp http = new RawHttp(server);
        http.post(CHAT, body);
        Thread.sleep(afterMillis);
        if (reset) {
            http.reset();
        } else {
            http.close();
        }
        return null;
    }

    @Test
    void theSixtyFifthWaitsAndAFullQueueIsA429() throws Exception {
        awaitIdle();
        List<RawHttp> clients = new ArrayList<>();
        try {
            for (int i = 0; i < 5; i++) {
                RawHttp client = new RawHttp(server);
                client.post(
                        CHAT,
                        chat("Long story " + i, "\"n\":64,\"max_tokens\":900,\"ignore_eos\":true,\"stream\":true"));
                client.until("\"role\"", Duration.ofSeconds(20));
                clients.add(client);
            }
            assertThat(metric("vllm:num_requests_running")).isLessThanOrEqualTo(64);
            assertThat(metric("vllm:num_requests_waiting")).isGreaterThanOrEqualTo(255);
            Api.post(CHAT, chat("One more", "\"n\":2,\"max_tokens\":4"))
                    .then()
                    .statusCode(429)
                    .header("Retry-After", matchesPattern("\\d+"))
                    .body("error.code", equalTo("rate_limit_exceeded"));
        } finally {
            for (RawHttp client : clients) {
                client.close();
            }
        }
        awaitIdle();
        ok(CHAT, chat("One more", "\"max_tokens\":4"));
    }
}
