package dev.nightshift.api.http;

import static io.restassured.RestAssured.given;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.equalTo;

import dev.nightshift.TestSettings;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

    private static List<Float> says(String model) {
        return given().contentType("application/json")
                .body(
                        "{\"model\":\"%s\",\"prompt\":\"Once upon a time\",\"max_tokens\":%d,\"temperature\":0,\"logprobs\":1,\"ignore_eos\":true}"
                                .formatted(model, TOKENS))
                .post("/v1/completions")
                .then()
                .statusCode(200)
                .body("model", equalTo(model))
                .body("usage.completion_tokens", equalTo(TOKENS))
                .extract()
                .path("choices[0].logprobs.token_logprobs");
    }

    static double meter(String name) {
        return given().get("/metrics")
                .then()
                .statusCode(200)
                .extract()
                .asString()
                .lines()
                .filter(line -> line.startsWith(name + "{"))
                .mapToDouble(line -> Double.parseDouble(line.replaceAll(".*} ", "")))
                .sum();
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
    void eightAdaptersOfMixedRankWithDoraAndASavedHeadShareStepsWithTheBase() {
        assertThat(ConfigProvider.getConfig()
                        .getConfigValue("nightshift.adapter-slots")
                        .getRawValue())
                .as("the default")
                .isIn("8", null);
        assertThat(ConfigProvider.getConfig().getOptionalValue("nightshift.adapter-memory", String.class))
                .isEmpty();
        List<String> models = new ArrayList<>(List.of(BASE));
        eight().forEach((name, adapter) -> {
            given().queryParam("name", name)
                    .contentType("application/x-tar")
                    .body(adapter.tar())
                    .post("/v1/adapters")
                    .then()
                    .statusCode(200);
            models.add(name);
        });
        Map<String, List<Float>> alone = new LinkedHashMap<>();
        models.forEach(model -> alone.put(model, says(model)));
        assertThat(alone.values().stream().distinct().count())
                .as("different answers")
                .isEqualTo(9);
        assertThat(meter("nightshift_adapter_slots_used")).isEqualTo(8);

        double steps = meter("nightshift_engine_steps_total");
        double rows = meter("nightshift_engine_step_rows_total");
        double placements = meter("nightshift_adapter_placements_total");
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            Map<String, CompletableFuture<List<Float>>> together = new LinkedHashMap<>();
            models.forEach(model -> together.put(model, CompletableFuture.supplyAsync(() -> says(model), clients)));
            together.forEach((model, answer) ->
                    assertThat(answer.join()).as("%s beside the others", model).isEqualTo(alone.get(model)));
        }
        steps = meter("nightshift_engine_steps_total") - steps;
        rows = meter("nightshift_engine_step_rows_total") - rows;
        System.err.printf("%.0f rows in %.0f steps%n", rows, steps);
        assertThat(rows / steps)
                .as("rows of a step: nine that decode, fewer while they come and go")
                .isGreaterThan(4.5);
        assertThat(meter("nightshift_adapter_placements_total"))
                .as("all had a slot, none made way")
                .isEqualTo(placements);
    }

    @Test
    void metricsNameTheAdaptersOfTheRequestsAsVllmDoes() {
        String line = given().get("/metrics")
                .then()
                .statusCode(200)
                .extract()
                .asString()
                .lines()
                .filter(each -> each.startsWith("vllm:lora_requests_info{"))
                .findFirst()
                .orElseThrow();
        assertThat(line)
                .contains("max_lora=\"8\"")
                .contains("running_lora_adapters=\"\"")
                .contains("waiting_lora_adapters=\"\"");
    }
}
