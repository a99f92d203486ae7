package dev.nightshift.load;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;

/**
 * Figures of a load, by the formulas that serving benchmarks share: time to first token (TTFT) from the moment a request was due;
 * inter-token latency (ITL) per gap between pieces of text; time per output token (TPOT) = (end - first) / (tokens - 1); goodput =
 * requests per second that met both goals.
 */
final class LoadReport {
    /** Microseconds up to an hour, three digits. */
    private static final long MICROS_MAX = 3_600_000_000L;

    private final Histogram ttft = new Histogram(MICROS_MAX, 3);
    private final Histogram itl = new Histogram(MICROS_MAX, 3);
    private final Histogram tpot = new Histogram(MICROS_MAX, 3);
    private final Histogram total = new Histogram(MICROS_MAX, 3);
    private final Map<String, Integer> failures = new LinkedHashMap<>();
    private final LoadOptions options;
    private int completed;
    private int cancelled;
    private int good;
    private long tokens;
    private long lastEndNanos;

    LoadReport(LoadOptions options, List<StreamedCall.Outcome> outcomes) {
        this.options = options;
        outcomes.forEach(this::add);
    }

    private void add(StreamedCall.Outcome outcome) {
        lastEndNanos = Math.max(lastEndNanos, outcome.endNanos());
        if (outcome.failure() != null) {
            failures.merge(outcome.failure(), 1, Integer::sum);
            return;
        }
        if (outcome.cancelled()) {
            cancelled++;
            return;
        }
        completed++;
        tokens += outcome.tokens();
        record(total, outcome.endNanos() - outcome.dueNanos());
        List<Long> chunks = outcome.chunkNanos();
        if (chunks.isEmpty()) {
            return;
        }
        long firstNanos = chunks.getFirst() - outcome.dueNanos();
        record(ttft, firstNanos);
        for (int i = 1; i < chunks.size(); i++) {
            record(itl, chunks.get(i) - chunks.get(i - 1));
        }
        long perTokenNanos = outcome.tokens() > 1 ? (chunks.getLast() - chunks.getFirst()) / (outcome.tokens() - 1) : 0;
        if (outcome.tokens() > 1) {
            record(tpot, perTokenNanos);
        }
        if (firstNanos <= options.ttftGoal().toNanos()
                && perTokenNanos <= options.itlGoal().toNanos()) {
            good++;
        }
    }

    private static void record(Histogram histogram, long nanos) {
        histogram.recordValue(Math.clamp(nanos / 1000, 0, MICROS_MAX));
    }

    /** Every figure by name, milliseconds and seconds in the names. */
    Map<String, Object> figures(long startNanos) {
        double seconds = (lastEndNanos - startNanos) / 1e9;
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("requests", options.requests());
        figures.put("completed", completed);
        figures.put("cancelled", cancelled);
        figures.put(
                "failed", failures.values().stream().mapToInt(Integer::intValue).sum());
        figures.put("seconds", round(seconds));
        figures.put("requests_per_second", round(completed / seconds));
        figures.put("output_tokens_per_second", round(tokens / seconds));
        figures.put("prompt_tokens_per_second", round((double) completed * options.promptTokens() / seconds));
        figures.put("goodput_requests_per_second", round(good / seconds));
        percentiles(figures, "ttft_ms", ttft);
        percentiles(figures, "itl_ms", itl);
        percentiles(figures, "tpot_ms", tpot);
        percentiles(figures, "total_ms", total);
        if (!failures.isEmpty()) {
            figures.put("failures", failures);
        }
        return figures;
    }

    private static void percentiles(Map<String, Object> figures, String name, Histogram histogram) {
        figures.put(name + "_mean", round(histogram.getMean() / 1000));
        figures.put(name + "_p50", round(histogram.getValueAtPercentile(50) / 1000.0));
        figures.put(name + "_p90", round(histogram.getValueAtPercentile(90) / 1000.0));
        figures.put(name + "_p99", round(histogram.getValueAtPercentile(99) / 1000.0));
        figures.put(name + "_max", round(histogram.getMaxValue() / 1000.0));
    }

    private static double round(double value) {
        return Math.round(value * 100) / 100.0;
    }
}
