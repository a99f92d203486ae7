package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.equalTo;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.eclipse.microprofile.config.ConfigProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Slots and memory for adapters as nobody has set them. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class DefaultAdaptersTest {
    private static final String BASE = "nightshift-tiny";
    private static final int TOKENS = 60;
    /** So many that nine requests run beside each other for long. */
    private static final int TOKENS_TOGETHER = 300;

    private static final int PROMPT_STEPS = 5;
    private static final int STEPS = 40;

    private static List<Float> says(String model, int tokens) {
        return given().contentType("application/json")
                .body(
                        "{\"model\":\"%s\",\"prompt\":\"Once upon a time\",\"max_tokens\":%d,\"temperature\":0,\"logprobs\":1,\"ignore_eos\":true}"
                                .formatted(model, tokens))
                .post("/v1/completions")
                .then()
                .statusCode(200)
                .body("model", equalTo(model))
                .body("usage.completion_tokens", equalTo(tokens))
                .extract()
                .path("choices[0].logprobs.token_logprobs");
    }

    /** What {@code /metrics} says at one time. */
    private record Scrape(List<String> lines) {
        static Scrape now() {
            return new Scrape(given().get("/metrics")
                    .then()
                    .statusCode(200)
                    .extract()
                    .asString()
                    .lines()
                    .toList());
        }

        double meter(String name) {
            return lines.stream()
                    .filter(line -> line.startsWith(name + "{"))
                    .mapToDouble(line -> Double.parseDouble(line.replaceAll(".*} ", "")))
                    .sum();
        }

        double steps() {
            return meter("nightshift_engine_steps_total");
        }

        double rows() {
            return meter("nightshift_engine_step_rows_total");
        }

        String adapters() {
            return lines.stream()
                    .filter(line -> line.startsWith("vllm:lora_requests_info{"))
                    .findFirst()
                    .orElseThrow();
        }

        boolean allRun(Set<String> names) {
            String running = adapters().replaceAll(".*running_lora_adapters=\"([^\"]*)\".*", "$1");
            return meter("vllm:num_requests_running") == names.size() + 1
                    && Set.of(running.split(",")).equals(names);
        }
    }

    /** Rows of each step while all of them run, in the mean. */
    private static double rowsOfAStep(Set<String> names) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        Scrape first = Scrape.now();
        while (!first.allRun(names)) {
            assertThat(System.nanoTime()).as("all never ran at once").isLessThan(end);
            Thread.sleep(20);
            first = Scrape.now();
        }
        // the prompt of the last to come is read in the steps until here
        first = after(first.steps() + PROMPT_STEPS);
        Scrape last = after(first.steps() + STEPS);
        assertThat(last.allRun(names)).as("all of them still run").isTrue();
        return (last.rows() - first.rows()) / (last.steps() - first.steps());
    }

    private static Scrape after(double steps) throws InterruptedException {
        Scrape scrape = Scrape.now();
        while (scrape.steps() < steps) {
            Thread.sleep(20);
            scrape = Scrape.now();
        }
        return scrape;
    }

    private static Map<String, TinyAdapter> eight() {
        Map<String, TinyAdapter> adapters = new LinkedHashMap<>();
        for (int rank : new int[] {1, 2, 4, 8, 16, 64}) {
            adapters.put("rank" + rank, TinyAdapter.of(rank, rank));
        }
        adapters.put("dora", TinyAdapter.dora(8, 77));
        adapters.put("head", TinyAdapter.withHead(4, 78));
        return adapters;
    }

    @Test
    void eightAdaptersOfMixedRankWithDoraAndASavedHeadShareOneStepWithTheBase() throws Exception {
        assertThat(ConfigProvider.getConfig()
                        .getConfigValue("nightshift.adapter-slots")
                        .getRawValue())
                .as("the default")
                .isIn("8", null);
        assertThat(ConfigProvider.getConfig().getOptionalValue("nightshift.adapter-memory", String.class))
                .isEmpty();
        List<String> models = new ArrayList<>(List.of(BASE));
        Map<String, TinyAdapter> eight = eight();
        eight.forEach((name, adapter) -> {
            given().queryParam("name", name)
                    .contentType("application/x-tar")
                    .body(adapter.tar())
                    .post("/v1/adapters")
                    .then()
                    .statusCode(200);
            models.add(name);
        });
        Map<String, List<Float>> alone = new LinkedHashMap<>();
        models.forEach(model -> alone.put(model, says(model, TOKENS)));
        assertThat(alone.values().stream().distinct().count())
                .as("different answers")
                .isEqualTo(9);
        Scrape before = Scrape.now();
        assertThat(before.meter("nightshift_adapter_slots_used")).isEqualTo(8);

        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            Map<String, CompletableFuture<List<Float>>> together = new LinkedHashMap<>();
            models.forEach(model ->
                    together.put(model, CompletableFuture.supplyAsync(() -> says(model, TOKENS_TOGETHER), clients)));
            double rows = rowsOfAStep(eight.keySet());
            System.err.printf("%.2f rows in a step%n", rows);
            // the two counters are read one after the other, so a step of nine may be missing or too much at either end
            assertThat(rows)
                    .as("rows of a step, one of each adapter and one of the base")
                    .isBetween(9 - 18.0 / STEPS, 9 + 18.0 / STEPS);
            together.forEach((model, answer) -> assertThat(answer.join().subList(0, TOKENS))
                    .as("%s beside the others", model)
                    .isEqualTo(alone.get(model)));
        }
        assertThat(Scrape.now().meter("nightshift_adapter_placements_total"))
                .as("all had a slot, none made way")
                .isEqualTo(before.meter("nightshift_adapter_placements_total"));
    }

    @Test
    void metricsNameTheAdaptersOfTheRequestsAsVllmDoes() {
        assertThat(Scrape.now().adapters())
                .contains("max_lora=\"8\"")
                .contains("running_lora_adapters=\"\"")
                .contains("waiting_lora_adapters=\"\"");
    }
}
