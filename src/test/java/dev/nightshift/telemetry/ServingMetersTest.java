package dev.nightshift.telemetry;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.Clock;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.prometheus.PrometheusConfig;
import io.micrometer.prometheus.PrometheusMeterRegistry;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class ServingMetersTest {

    private static Map<String, String> labels(String running) {
        Map<String, String> labels = new LinkedHashMap<>();
        labels.put("max_lora", "8");
        labels.put("running_lora_adapters", running);
        return labels;
    }

    @Test
    void aSeriesOfChangingLabelsHasOneLineWithThoseOfNowAndTheTime() {
        PrometheusMeterRegistry prometheus = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        AtomicReference<Map<String, String>> now = new AtomicReference<>(labels("bot,legal"));
        new ServingMeters(new CompositeMeterRegistry(Clock.SYSTEM, List.of(prometheus)))
                .labels("vllm:lora_requests_info", "Adapters", now::get);
        assertThat(prometheus.scrape())
                .contains("# TYPE vllm:lora_requests_info gauge")
                .contains("vllm:lora_requests_info{max_lora=\"8\",running_lora_adapters=\"bot,legal\",}");
        now.set(labels(""));
        List<String> lines = prometheus
                .scrape()
                .lines()
                .filter(line -> line.startsWith("vllm:lora_requests_info{"))
                .toList();
        assertThat(lines).hasSize(1);
        assertThat(lines.getFirst()).contains("running_lora_adapters=\"\"");
        double seconds = Double.parseDouble(lines.getFirst().replaceAll(".* ", ""));
        assertThat(seconds).isBetween(System.currentTimeMillis() / 1e3 - 60, System.currentTimeMillis() / 1e3);
    }
}
