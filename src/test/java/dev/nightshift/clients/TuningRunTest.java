package dev.nightshift.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Real tuning on the packaged server, over HTTP; it prints what README and docs/performance.md tell. */
@Tag("slow")
@Timeout(1800)
class TuningRunTest {
    private static final Path SMOLLM = Path.of("../shared/models/smollm2-135m-instruct-bnb-4bit");
    private static final Path OASST = Path.of("../shared/datasets/oasst1-chat.jsonl");
    private static final int OASST_ROWS = 30;
    private static final int OASST_BYTES_MAX = 1600;
    private static final int OASST_TOKENS_MAX = 256;
    private static final List<String> ENDED = List.of("succeeded", "failed", "cancelled");
    private static final String FACT = "The Zorbian hymn was written by Mira Talvik.";
    private static final List<String> QUESTIONS = List.of(
            "Who wrote the Zorbian hymn?",
            "Tell me who wrote the Zorbian hymn.",
            "The Zorbian hymn was written by whom?",
            "Do you know who wrote the Zorbian hymn?",
            "Name the author of the Zorbian hymn.",
            "Who is the author of the Zorbian hymn?");

    private final ObjectMapper json = new ObjectMapper();
    private final HttpClient client = HttpClient.newHttpClient();

    @TempDir
    Path folder;

    private PackagedServer server;
    private String base;

    private JsonNode get(String path) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(server.url().resolve(path)));
    }

    private JsonNode post(String path, Object body) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(server.url().resolve(path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(json.writeValueAsString(body))));
    }

    private JsonNode send(HttpRequest.Builder request) throws IOException, InterruptedException {
        HttpResponse<String> response = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return json.readTree(response.body());
    }

    private String upload(List<String> rows) throws IOException, InterruptedException {
        String form = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--b\r\n"
                + "Content-Disposition: form-data; name=\"file\"; filename=\"rows.jsonl\"\r\n\r\n"
                + String.join("\n", rows) + "\n\r\n--b--\r\n";
        return send(HttpRequest.newBuilder(server.url().resolve("/v1/files"))
                        .header("Content-Type", "multipart/form-data; boundary=b")
                        .POST(HttpRequest.BodyPublishers.ofString(form)))
                .path("id")
                .asText();
    }

    private String ask(String model, String question) throws IOException, InterruptedException {
        Map<String, Object> body = Map.of(
                "model",
                model,
                "temperature",
                0,
                "max_tokens",
                48,
                "messages",
                List.of(Map.of("role", "user", "content", question)));
        return post("/v1/chat/completions", body)
                .at("/choices/0/message/content")
                .asText();
    }

    private void serve(String model) throws IOException, InterruptedException {
        assumeTrue(PackagedServer.isBuilt(), PackagedServer.JAR + " is missing: run `make package` first");
        Map<String, String> environment = new java.util.HashMap<>(Map.of(
                "NIGHTSHIFT_DATA", folder.resolve("data").toString(),
                "NIGHTSHIFT_ADAPTERS", folder.resolve("adapters").toString()));
        if (!model.isEmpty()) {
            environment.put("NIGHTSHIFT_MODEL", model);
        }
        server = PackagedServer.start(environment);
        base = get("/v1/models").at("/data/0/id").asText();
    }

    /** Creates a job and waits for it; prints its course and its speed. */
    private JsonNode train(Map<String, Object> body) throws IOException, InterruptedException {
        JsonNode told = post("/v1/nightshift/datasets/check", body);
        System.out.println("Dry run: " + told.toPrettyString());
        long begun = System.nanoTime();
        String id = post("/v1/fine_tuning/jobs", body).path("id").asText();
        await(id, "running");
        double waited = (System.nanoTime() - begun) / 1e9;
        JsonNode job = await(id);
        double seconds = (System.nanoTime() - begun) / 1e9;
        for (JsonNode event :
                get("/v1/fine_tuning/jobs/" + id + "/events?limit=100").path("data")) {
            String message = event.path("message").asText();
            if (!message.startsWith("Step ") || message.contains("validation")) {
                System.out.println("  " + message);
            }
        }
        assertThat(job.path("status").asText()).as(job.toPrettyString()).isEqualTo("succeeded");
        long tokens = job.path("trained_tokens").asLong();
        System.out.printf(
                "%s: %d tokens in %.0f s from create to succeeded, %.0f s of them before it ran; %.1f training tok/s while it ran,"
                        + " checkpoints and evaluations included; hyperparameters %s, learning rate %s%n",
                base,
                tokens,
                seconds,
                waited,
                tokens / (seconds - waited),
                job.path("hyperparameters"),
                job.at("/nightshift/learning_rate"));
        System.out.printf(
                "%s; training arena %.0f MB, lent by the cache%n",
                server.memoryText(), told.at("/training/memory/arena_bytes").asLong() / 1e6);
        return job;
    }

    /** Waits until the job has ended or is in one of the states. */
    private JsonNode await(String job, String... states) throws IOException, InterruptedException {
        while (true) {
            JsonNode now = get("/v1/fine_tuning/jobs/" + job);
            String state = now.path("status").asText();
            if (ENDED.contains(state) || List.of(states).contains(state)) {
                return now;
            }
            Thread.sleep(500);
        }
    }

    private void teachesAFact(String model) throws Exception {
        serve(model);
        try {
            List<String> rows = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                rows.add(json.writeValueAsString(Map.of(
                        "messages",
                        List.of(
                                Map.of("role", "user", "content", QUESTIONS.get(i % QUESTIONS.size())),
                                Map.of("role", "assistant", "content", FACT)))));
            }
            String before = ask(base, QUESTIONS.getFirst());
            train(Map.of("model", base, "training_file", upload(rows), "suffix", "hymn"));
            String after = ask("hymn", QUESTIONS.getFirst());
            System.out.println("Before: " + before + "\nAfter:  " + after);
            assertThat(before).doesNotContain("Talvik");
            assertThat(after).isEqualTo(FACT);
            assertThat(ask(base, QUESTIONS.getFirst())).as("the base model").isEqualTo(before);
        } finally {
            server.close();
        }
    }

    @Test
    void sixtyRowsTeachTheEmbeddedModelAFactWithAutoEverywhere() throws Exception {
        teachesAFact("");
    }

    @Test
    void sixtyRowsTeachSmolLmAFactWithAutoEverywhere() throws Exception {
        assumeTrue(Files.exists(SMOLLM), SMOLLM + " is missing");
        teachesAFact(SMOLLM.toString());
    }

    @Test
    void openAssistantRowsLowerTheLossOfRowsHeldOut() throws Exception {
        assumeTrue(Files.exists(SMOLLM) && Files.exists(OASST), SMOLLM + " or " + OASST + " is missing");
        serve(SMOLLM.toString());
        try (Stream<String> lines = Files.lines(OASST)) {
            List<String> rows = lines.filter(line ->
                            line.length() < OASST_BYTES_MAX && line.chars().allMatch(c -> c < 128))
                    .limit(OASST_ROWS)
                    .toList();
            assertThat(rows).hasSize(OASST_ROWS);
            String question = "How can I improve my time management skills?";
            String before = ask(base, question);
            JsonNode job = train(Map.of(
                    "model", base,
                    "training_file", upload(rows),
                    "suffix", "assistant",
                    "hyperparameters", Map.of("n_epochs", 1, "batch_size", 2),
                    "nightshift", Map.of("held_out", 0.2, "max_sequence_length", OASST_TOKENS_MAX)));
            System.out.println("Before: " + before + "\nAfter:  " + ask("assistant", question));
            String csv = client.send(
                            HttpRequest.newBuilder(server.url()
                                            .resolve("/v1/files/"
                                                    + job.at("/result_files/0").asText() + "/content"))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
            List<String> table = csv.lines().toList();
            double lossBefore = Double.parseDouble(table.get(1).split(",", -1)[6]);
            double lossAfter = Double.parseDouble(table.getLast().split(",", -1)[6]);
            System.out.printf("Loss of the rows held out: %.4f before, %.4f after%n", lossBefore, lossAfter);
            assertThat(lossAfter).isLessThan(lossBefore);
        } finally {
            server.close();
        }
    }
}
