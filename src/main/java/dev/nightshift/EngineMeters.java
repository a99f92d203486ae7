package dev.nightshift;

import dev.nightshift.engine.EngineLoop;
import dev.nightshift.engine.EngineStatistics;
import dev.nightshift.telemetry.ServingMeters;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.TensorOps;
import io.micrometer.core.instrument.Tags;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Supplier;

/** The engine's statistics as meters. */
final class EngineMeters {

    private EngineMeters() {}

    static void bind(ServingMeters meters, ResidentModel model) {
        EngineLoop loop = model.engine();
        Tags tags = ServingMeters.model(model.id());
        Supplier<EngineStatistics> now = loop::statistics;
        meters.serve(model.id());

        meters.gauge("vllm:num_requests_running", "Sequences in the steps", tags, now, EngineStatistics::running);
        meters.gauge("vllm:num_requests_waiting", "Sequences in the queue", tags, now, EngineStatistics::waiting);
        meters.gauge(
                "vllm:kv_cache_usage_perc", "Share of blocks in use, 0 to 1", tags, now, EngineStatistics::kvUsage);
        meters.counter("vllm:prompt_tokens", "Prompt tokens", tags, now, EngineStatistics::promptTokens);
        meters.counter("vllm:generation_tokens", "New tokens", tags, now, EngineStatistics::generatedTokens);
        meters.counter("vllm:num_preemptions", "Sequences put back", tags, now, EngineStatistics::preemptions);
        meters.counter(
                "vllm:prefix_cache_queries", "Tokens asked for", tags, now, EngineStatistics::prefixQueriedTokens);
        meters.counter("vllm:prefix_cache_hits", "Tokens found", tags, now, EngineStatistics::prefixHitTokens);

        meters.gauge("nightshift_kv_blocks", "Blocks of the cache", tags, now, EngineStatistics::blocks);
        meters.gauge("nightshift_kv_blocks_used", "Blocks in use", tags, now, EngineStatistics::blocksUsed);
        meters.counter("nightshift_requests_refused", "Refused for a full queue", tags, now, EngineStatistics::refused);
        meters.counter("nightshift_requests_cancelled", "Left by their reader", tags, now, EngineStatistics::cancelled);
        meters.counter("nightshift_requests_failed", "Ended by an error", tags, now, EngineStatistics::failed);
        meters.counter("nightshift_engine_steps", "Steps", tags, now, EngineStatistics::steps);
        meters.counter("nightshift_engine_step_rows", "Rows of all steps", tags, now, EngineStatistics::stepRows);
        meters.counter("nightshift_engine_step_seconds", "Time in steps", tags, now, from -> seconds(from.stepTime()));
        meters.counter(
                "nightshift_engine_idle_seconds", "Time without steps", tags, now, from -> seconds(from.idleTime()));
        memory(meters, model.ops());
    }

    private static void memory(ServingMeters meters, TensorOps ops) {
        for (MemoryPart part : MemoryPart.values()) {
            Tags tags = Tags.of("part", part.name().toLowerCase(Locale.ROOT));
            meters.gauge(
                    "nightshift_memory_bytes",
                    "Memory by part of the budget",
                    tags,
                    () -> ops,
                    from -> from.allocatedBytes(part));
        }
    }

    private static double seconds(Duration duration) {
        return duration.toNanos() / 1e9;
    }
}
