package dev.nightshift;

import dev.nightshift.adapter.AdapterRegistry;
import dev.nightshift.adapter.AdapterStatistics;
import dev.nightshift.adapter.AdaptersInUse;
import dev.nightshift.telemetry.ServingMeters;
import io.micrometer.core.instrument.Tags;
import java.util.Map;
import java.util.function.Supplier;

/** The adapters' statistics as meters. */
final class AdapterMeters {

    private AdapterMeters() {}

    static void bind(ServingMeters meters, ResidentModel model) {
        Tags tags = ServingMeters.model(model.id());
        Supplier<AdapterStatistics> now = model.adapters()::statistics;
        meters.gauge("nightshift_adapter_versions", "Versions on disk", tags, now, AdapterStatistics::versions);
        meters.gauge(
                "nightshift_adapter_versions_failed", "Of them, not servable", tags, now, AdapterStatistics::failed);
        meters.gauge("nightshift_adapter_slots", "Places on the device", tags, now, AdapterStatistics::slots);
        meters.gauge("nightshift_adapter_slots_used", "Places taken", tags, now, AdapterStatistics::slotsUsed);
        meters.gauge("nightshift_adapter_slot_bytes", "Memory of all slots", tags, now, AdapterStatistics::slotBytes);
        meters.gauge(
                "nightshift_adapter_slot_bytes_used", "Of it, in use", tags, now, AdapterStatistics::slotBytesUsed);
        meters.gauge("nightshift_adapter_host_bytes", "Copies in host memory", tags, now, AdapterStatistics::hostBytes);
        meters.counter("nightshift_adapter_loads", "Read from disk", tags, now, AdapterStatistics::loads);
        meters.counter("nightshift_adapter_load_seconds", "Time in reading", tags, now, from -> from.loadNanos() / 1e9);
        meters.counter(
                "nightshift_adapter_load_failures", "Refused when read", tags, now, AdapterStatistics::loadFailures);
        meters.counter(
                "nightshift_adapter_placements", "Written to the device", tags, now, AdapterStatistics::placements);
        meters.counter(
                "nightshift_adapter_slot_evictions", "Left the device", tags, now, AdapterStatistics::slotEvictions);
        meters.counter(
                "nightshift_adapter_host_evictions", "Left host memory", tags, now, AdapterStatistics::hostEvictions);
        meters.labels("vllm:lora_requests_info", "Adapters of the requests", () -> inUse(model.adapters()));
    }

    /** vLLM's labels of this series; adapters by comma, as it lists them. */
    private static Map<String, String> inUse(AdapterRegistry adapters) {
        AdaptersInUse now = adapters.inUse();
        return Map.of(
                "running_lora_adapters", String.join(",", now.running()),
                "waiting_lora_adapters", String.join(",", now.waiting()),
                "max_lora", Integer.toString(adapters.statistics().slots()));
    }
}
