package dev.nightshift.telemetry;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.prometheus.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/**
 * What chat serving tells Prometheus: vLLM's names where dashboards and autoscalers know them, our own for the rest. Prometheus
 * appends {@code _total} to counters and {@code _seconds} to timers.
 */
public final class ServingMeters {
    private static final String MODEL = "model_name";

    private final MeterRegistry registry;
    private volatile Requests requests;

    /** The timers of one model. */
    private record Requests(Timer firstToken, Timer nextToken, Timer whole, Tags tags) {}

    public ServingMeters(MeterRegistry registry) {
        this.registry = registry;
    }

    /** Timers of this model exist from now on. */
    public void serve(String model) {
        Tags tags = Tags.of(Tag.of(MODEL, model));
        requests = new Requests(
                timer("vllm:time_to_first_token", "Submission to first token", tags, 1, 60_000),
                timer("vllm:inter_token_latency", "Token to token", tags, 1, 5_000),
                timer("vllm:e2e_request_latency", "Submission to end", tags, 10, 600_000),
                tags);
    }

    private Timer timer(String name, String description, Tags tags, long minMillis, long maxMillis) {
        return Timer.builder(name)
                .description(description)
                .tags(tags)
                .publishPercentileHistogram()
                .minimumExpectedValue(Duration.ofMillis(minMillis))
                .maximumExpectedValue(Duration.ofMillis(maxMillis))
                .register(registry);
    }

    /** From submission. */
    public void firstToken(long nanos) {
        Requests served = requests;
        if (served != null) {
            served.firstToken().record(nanos, TimeUnit.NANOSECONDS);
        }
    }

    /** From the token before. */
    public void nextToken(long nanos) {
        Requests served = requests;
        if (served != null) {
            served.nextToken().record(nanos, TimeUnit.NANOSECONDS);
        }
    }

    /**
     * The end of a sequence, from submission.
     *
     * @param reason stop, length, abort or error
     */
    public void ended(String reason, long nanos) {
        Requests served = requests;
        if (served != null) {
            served.whole().record(nanos, TimeUnit.NANOSECONDS);
            Counter.builder("vllm:request_success")
                    .description("Ended sequences by reason")
                    .tags(served.tags().and("finished_reason", reason))
                    .register(registry)
                    .increment();
        }
    }

    /** A level that is read when it is asked for. */
    public <T> void gauge(String name, String description, Tags tags, Supplier<T> source, ToDoubleFunction<T> value) {
        Gauge.builder(name, () -> value.applyAsDouble(source.get()))
                .description(description)
                .tags(tags)
                .strongReference(true)
                .register(registry);
    }

    /** A count that its owner keeps. */
    public <T> void counter(String name, String description, Tags tags, Supplier<T> source, ToDoubleFunction<T> value) {
        FunctionCounter.builder(name, source, from -> value.applyAsDouble(from.get()))
                .description(description)
                .tags(tags)
                .register(registry);
    }

    /** A series whose labels change, read when they are asked for; only Prometheus has such. */
    public void labels(String name, String description, Supplier<Map<String, String>> labels) {
        Set<MeterRegistry> all =
                registry instanceof CompositeMeterRegistry composite ? composite.getRegistries() : Set.of(registry);
        for (MeterRegistry each : all) {
            if (each instanceof PrometheusMeterRegistry prometheus) {
                prometheus.getPrometheusRegistry().register(new ScrapedLabels(name, description, labels));
            }
        }
    }

    /** The label that all of a model's meters have. */
    public static Tags model(String model) {
        return Tags.of(Tag.of(MODEL, model));
    }
}
