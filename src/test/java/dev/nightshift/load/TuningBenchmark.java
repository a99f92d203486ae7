package dev.nightshift.load;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.clients.PackagedServer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What chat feels of training: {@code make bench BENCH=tuning}. The packaged server answers short prompts that come as an open
 * loop, first alone, then while a job trains on rows of 512 tokens; time to the first token counts from when a request was due.
 */
public final class TuningBenchmark {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ROW_TOKENS = 512;
    private static final int ROWS = 40;
    /** The CPU backend's default. */
    private static final Duration SLICE = Duration.ofMillis(200);

    private static final double RATE = 0.5;
    private static final int WARM = 30;
    private static final int PROMPT = 16;
    private static final int ANSWER = 4;
    private static final Duration RUNNING_MAX = Duration.ofMinutes(3);

    private final HttpClient client = HttpClient.newHttpClient();
    private final URI url;
    private final int requests;

    private TuningBenchmark(URI url, int requests) {
        this.url = url;
        this.requests = requests;
    }

    /** Arguments: model folder, threads, requests of a load, file for the figures, modes by commas. */
    public static void main(String[] arguments) throws Exception {
        ObjectNode figures = JSON.createObjectNode();
        figures.put("time", Instant.now().toString())
                .put("model", arguments[0])
                .put("slice_ms", SLICE.toMillis())
                .put("requests_per_second", RATE)
                .put("prompt_tokens", PROMPT);
        for (String mode : arguments[4].split(",")) {
            Path data = Files.createTempDirectory("nightshift-bench");
            Map<String, String> environment = Map.of(
                    "NIGHTSHIFT_MODEL",
                    arguments[0],
                    "NIGHTSHIFT_CPU_THREADS",
                    arguments[1],
                    "NIGHTSHIFT_DATA",
                    data.toString(),
                    "NIGHTSHIFT_TUNING_SLICE",
                    SLICE.toString(),
                    "NIGHTSHIFT_TUNING_MODE",
                    mode);
            try (PackagedServer server = PackagedServer.start(environment)) {
                new TuningBenchmark(server.url(), Integer.parseInt(arguments[2])).measure(figures.putObject(mode));
            } finally {
                delete(data);
            }
        }
        String text = JSON.writerWithDefaultPrettyPrinter().writeValueAsString(figures);
        System.out.println(text);
        Files.writeString(Path.of(arguments[3]), text + "\n");
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    private void measure(ObjectNode figures) throws Exception {
        LoadGenerator.run(load(WARM, Double.POSITIVE_INFINITY, 1), new long[1]); // compiles
        firstTokens(figures.putObject("without_training"), 2);
        String job = begin();
        long steps = steps(job);
        long from = System.nanoTime();
        firstTokens(figures.putObject("with_training"), 3);
        double tokens = (double) (steps(job) - steps) * ROW_TOKENS;
        figures.put("training_tokens_per_second", round(tokens * 1e9 / (System.nanoTime() - from)));
        post("/v1/fine_tuning/jobs/" + job + "/cancel", Map.of());
        double waited = figures.at("/with_training/ttft_ms_max").asDouble()
                - figures.at("/without_training/ttft_ms_p50").asDouble();
        figures.put("longest_over_the_usual_ms", round(waited));
    }

    private LoadOptions load(int count, double rate, long seed) {
        return LoadOptions.parse(
                "--url", url.toString(),
                "--requests", String.valueOf(count),
                "--rate", Double.isInfinite(rate) ? "inf" : String.valueOf(rate),
                "--concurrency", Double.isInfinite(rate) ? "1" : String.valueOf(count),
                "--prompt", String.valueOf(PROMPT),
                "--output", String.valueOf(ANSWER),
                "--seed", String.valueOf(seed));
    }

    private void firstTokens(ObjectNode figures, long seed) throws Exception {
        List<StreamedCall.Outcome> outcomes = LoadGenerator.run(load(requests, RATE, seed), new long[1]);
        outcomes.stream()
                .filter(outcome ->
                        outcome.failure() != null || outcome.chunkNanos().isEmpty())
                .findAny()
                .ifPresent(failed -> {
                    throw new IllegalStateException("a request failed: " + failed.failure());
                });
        double[] millis = outcomes.stream()
                .mapToDouble(outcome -> (outcome.chunkNanos().getFirst() - outcome.dueNanos()) / 1e6)
                .sorted()
                .toArray();
        figures.put("requests", millis.length);
        figures.put("ttft_ms_p50", round(millis[millis.length / 2]));
        figures.put("ttft_ms_p95", round(millis[(int) (millis.length * 0.95)]));
        figures.put("ttft_ms_max", round(millis[millis.length - 1]));
    }

    // ---- the job

    /** Rows are longer than they may be, so that each is cut to the same length. */
    private String begin() throws IOException, InterruptedException {
        Random random = new Random(1);
        List<String> words =
                List.of("a", "night", "shift", "begins", "when", "all", "who", "work", "by", "day", "sleep");
        String rows = random.ints(ROWS, 0, Integer.MAX_VALUE)
                .mapToObj(seed -> new Random(seed)
                        .ints(2 * ROW_TOKENS, 0, words.size())
                        .mapToObj(words::get)
                        .collect(Collectors.joining(" ")))
                .map(text -> "{\"text\":\"" + text + "\"}\n")
                .collect(Collectors.joining());
        String form = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--b\r\n"
                + "Content-Disposition: form-data; name=\"file\"; filename=\"rows.jsonl\"\r\n\r\n" + rows
                + "\r\n--b--\r\n";
        HttpRequest.Builder upload = HttpRequest.newBuilder(url.resolve("/v1/files"))
                .header("Content-Type", "multipart/form-data; boundary=b")
                .POST(HttpRequest.BodyPublishers.ofString(form));
        String file = send(upload).path("id").asText();
        String base = get("/v1/models").at("/data/0/id").asText();
        String job = post(
                        "/v1/fine_tuning/jobs",
                        Map.of(
                                "model",
                                base,
                                "training_file",
                                file,
                                "hyperparameters",
                                Map.of("n_epochs", 50, "batch_size", 1),
                                "nightshift",
                                Map.of("max_sequence_length", ROW_TOKENS)))
                .path("id")
                .asText();
        long end = System.nanoTime() + RUNNING_MAX.toNanos();
        while (steps(job) == 0) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException(
                        "no step within " + RUNNING_MAX + ": " + get("/v1/fine_tuning/jobs/" + job));
            }
            Thread.sleep(200);
        }
        return job;
    }

    private long steps(String job) throws IOException, InterruptedException {
        return get("/v1/fine_tuning/jobs/" + job).path("trained_tokens").asLong() / ROW_TOKENS;
    }

    private JsonNode get(String path) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(url.resolve(path)));
    }

    private JsonNode post(String path, Map<String, ?> body) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(url.resolve(path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body))));
    }

    private JsonNode send(HttpRequest.Builder request) throws IOException, InterruptedException {
        HttpResponse<String> response = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new IllegalStateException(response.statusCode() + " " + response.body());
        }
        return JSON.readTree(response.body());
    }

    private static double round(double value) {
        return Math.round(value * 10) / 10.0;
    }
}
