package dev.nightshift.load;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One streamed completion over HTTP, timed at the client. */
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
    Outcome run(String model, int[] prompt, int outputTokens, long dueNanos, int chunksMax) {
        List<Long> chunks = new ArrayList<>();
        try {
            byte[] body = JSON.writeValueAsBytes(Map.of(
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
                    Map.of("include_usage", true)));
            HttpRequest request = HttpRequest.newBuilder(url)
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                    .build();
            HttpResponse<InputStream> response = client.send(request, HttpResponse.BodyHandlers.ofInputStream());
            try (InputStream stream = response.body()) {
                if (response.statusCode() != 200) {
                    return failed(dueNanos, chunks, response.statusCode() + " " + text(stream));
                }
                return read(stream, dueNanos, chunks, chunksMax);
            }
        } catch (IOException e) {
            return failed(dueNanos, chunks, e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return failed(dueNanos, chunks, "interrupted");
        }
    }

    private static Outcome read(InputStream stream, long dueNanos, List<Long> chunks, int chunksMax)
            throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8));
        int tokens = 0;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (!line.startsWith("data: ")) {
                continue;
            }
            if (line.equals("data: [DONE]")) {
                return new Outcome(dueNanos, chunks, System.nanoTime(), tokens, false, null);
            }
            // the client shares the cores with the server that it measures: a piece of text is not parsed
            if (line.contains(USAGE) || line.contains(ERROR)) {
                JsonNode data = JSON.readTree(line.substring("data: ".length()));
                if (data.has("error")) {
                    return failed(dueNanos, chunks, data.get("error").toString());
                }
                tokens = data.path("usage").path("completion_tokens").asInt(tokens);
            }
            int text = line.indexOf(TEXT);
            if (text >= 0 && line.charAt(text + TEXT.length()) != '"') {
                chunks.add(System.nanoTime());
                if (chunks.size() >= chunksMax) {
                    return new Outcome(dueNanos, chunks, System.nanoTime(), chunks.size(), true, null);
                }
            }
        }
        return failed(dueNanos, chunks, "the stream ended without [DONE]");
    }

    private static Outcome failed(long dueNanos, List<Long> chunks, String why) {
        return new Outcome(dueNanos, chunks, System.nanoTime(), 0, false, why);
    }

    private static String text(InputStream stream) throws IOException {
        return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    }
}
