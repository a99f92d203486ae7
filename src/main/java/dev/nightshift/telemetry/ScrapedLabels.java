package dev.nightshift.telemetry;

import io.prometheus.client.Collector;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** One series whose labels are read when it is asked for, as vLLM has some; its value is the time, in seconds since 1970. */
final class ScrapedLabels extends Collector {
    private final String name;
    private final String description;
    private final Supplier<Map<String, String>> labels;

    ScrapedLabels(String name, String description, Supplier<Map<String, String>> labels) {
        this.name = name;
        this.description = description;
        this.labels = labels;
    }

    @Override
    public List<MetricFamilySamples> collect() {
        Map<String, String> now = labels.get();
        MetricFamilySamples.Sample sample = new MetricFamilySamples.Sample(
                name, List.copyOf(now.keySet()), List.copyOf(now.values()), System.currentTimeMillis() / 1e3);
        return List.of(new MetricFamilySamples(name, Type.GAUGE, description, List.of(sample)));
    }
}
