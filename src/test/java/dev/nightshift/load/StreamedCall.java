package dev.nightshift.load;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.parsetools.RecordParser;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * One streamed completion over HTTP, timed at the client. The client shares the cores with the server that it measures: one event
 * loop reads all streams, and pieces of text are not parsed.
 */
final class StreamedCall {
    private static final ObjectMapper JSON = new ObjectMapper();
    // as the server under test writes them; a quote inside a text would be escaped
    private static final String TEXT = "\"text\":\"";
    private static final String USAGE = "\"usage\":{";
    private static final String ERROR = "\"error\":";

    /**
     * What became of a request.
     *
     * @param dueNanos when it should have been sent, on the clock of {@link System#nanoTime()}
     * @param chunkNanos when each piece of text came
     * @param tokens as the server counts them
     * @param failure null if it went well
     */
    record Outcome(
            long dueNanos, List<Long> chunkNanos, long endNanos, int tokens, boolean cancelled, String failure) {}

    private final HttpClient client;
    private final URI url;

    StreamedCall(HttpClient client, URI server) {
        this.client = client;
        this.url = server.resolve("/v1/completions");
    }

    /** @param chunksMax hang up after so many pieces of text */
    Outcome run(String model, int[] prompt, int outputTokens, long dueNanos, int chunksMax)
            throws InterruptedException {
        Reading reading = new Reading(dueNanos, chunksMax);
        client.request(new RequestOptions().setMethod(HttpMethod.POST).setAbsoluteURI(url.toString()))
                .compose(request ->
                        request.putHeader("Content-Type", "application/json").send(body(model, prompt, outputTokens)))
                .onSuccess(reading::begin)
                .onFailure(e -> reading.fail(e.toString()));
        try {
            return reading.outcome.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    private static Buffer body(String model, int[] prompt, int outputTokens) {
        try {
            return Buffer.buffer(JSON.writeValueAsBytes(Map.of(
                    "model",
                    model,
                    "prompt",
                    prompt,
                    "max_tokens",
                    outputTokens,
                    "ignore_eos",
                    true,
                    "temperature",
                    0,
                    "stream",
                    true,
                    "stream_options",
                    Map.of("include_usage", true))));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A response as its bytes come, on the event loop. */
    private static final class Reading {
        final CompletableFuture<Outcome> outcome = new CompletableFuture<>();
        private final long dueNanos;
        private final int chunksMax;
        private final List<Long> chunks = new ArrayList<>();
        private int tokens;

        Reading(long dueNanos, int chunksMax) {
            this.dueNanos = dueNanos;
            this.chunksMax = chunksMax;
        }

        void begin(HttpClientResponse response) {
            if (response.statusCode() != 200) {
                response.body()
                        .onSuccess(body -> fail(response.statusCode() + " " + body))
                        .onFailure(e -> fail(e.toString()));
                return;
            }
            RecordParser lines = RecordParser.newDelimited("\n", response);
            lines.exceptionHandler(e -> fail(e.toString()));
            lines.handler(line -> line(line.toString(), response));
            lines.endHandler(end -> fail("the stream ended without [DONE]"));
        }

        private void line(String line, HttpClientResponse response) {
            if (!line.startsWith("data: ")) {
                return;
            }
            if (line.equals("data: [DONE]")) {
                end(tokens, false, null);
                return;
            }
            if (line.contains(USAGE) || line.contains(ERROR)) {
                try {
                    JsonNode data = JSON.readTree(line.substring("data: ".length()));
                    if (data.has("error")) {
                        fail(data.get("error").toString());
                        return;
                    }
                    tokens = data.path("usage").path("completion_tokens").asInt(tokens);
                } catch (JsonProcessingException e) {
                    fail(e.toString());
                    return;
                }
            }
            int text = line.indexOf(TEXT);
            if (text >= 0 && line.charAt(text + TEXT.length()) != '"') {
                chunks.add(System.nanoTime());
                if (chunks.size() == chunksMax) {
                    end(chunks.size(), true, null);
                    response.request().connection().close();
                }
            }
        }

        void fail(String why) {
            end(0, false, why);
        }

        /** The first end counts. */
        private void end(int tokens, boolean cancelled, String failure) {
            outcome.complete(new Outcome(dueNanos, List.copyOf(chunks), System.nanoTime(), tokens, cancelled, failure));
        }
    }
}
