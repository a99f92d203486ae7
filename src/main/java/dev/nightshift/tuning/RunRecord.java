package dev.nightshift.tuning;

import dev.nightshift.train.StepResult;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What a run has done and measured. Rows and events are written in batches, always before the state that contains their steps
 * is saved; steps that a crash loses are run again and write the same rows again. The training thread.
 */
final class RunRecord {
    private static final int PENDING_MAX = 256;
    private static final Duration FLUSH_EVERY = Duration.ofSeconds(2);

    private static final String STEP = "step";
    private static final String TOKENS = "tokens";
    private static final String BEST = "best";
    private static final String SINCE_BEST = "since_best";
    private static final String BEST_STEP = "best_step";
    private static final String BEST_STEP_LOSS = "best_step_loss";

    private final FineTuneJobs jobs;
    private final Job job;
    private final JobPlan plan;
    private final List<Job.Metrics> pendingMetrics = new ArrayList<>();
    private final List<Job.Event> pendingEvents = new ArrayList<>();
    private int step;
    private long tokens;
    private double best = Double.POSITIVE_INFINITY;
    private int sinceBest;
    private Best lowest = new Best(0, Double.POSITIVE_INFINITY);
    private Job.Metrics last = none(0);
    private long flushedAt = System.nanoTime();
    private final long begunAt = System.nanoTime();
    private int begunStep;

    RunRecord(FineTuneJobs jobs, Job job, JobPlan plan) {
        this.jobs = jobs;
        this.job = job;
        this.plan = plan;
    }

    private static Job.Metrics none(int step) {
        OptionalDouble no = OptionalDouble.empty();
        return new Job.Metrics(step, no, no, no, no, no, no, no, no);
    }

    // ---- what a saved state must know

    Map<String, String> facts() {
        return Map.of(
                STEP, Integer.toString(step),
                TOKENS, Long.toString(tokens),
                BEST, Double.toString(best),
                SINCE_BEST, Integer.toString(sinceBest),
                BEST_STEP, Integer.toString(lowest.step()),
                BEST_STEP_LOSS, Double.toString(lowest.loss()));
    }

    void restore(Map<String, String> facts) {
        step = Integer.parseInt(facts.get(STEP));
        begunStep = step;
        tokens = Long.parseLong(facts.get(TOKENS));
        best = Double.parseDouble(facts.get(BEST));
        sinceBest = Integer.parseInt(facts.get(SINCE_BEST));
        // a state of an earlier version does not know it
        lowest = new Best(
                Integer.parseInt(facts.getOrDefault(BEST_STEP, "0")),
                Double.parseDouble(facts.getOrDefault(BEST_STEP_LOSS, "Infinity")));
        // where it was killed after its last step, no step will tell its numbers again
        last = jobs.database().read(handle -> HistoryRows.metrics(handle, job.id())).stream()
                .filter(row -> row.step() == step)
                .findFirst()
                .orElse(none(step));
    }

    int step() {
        return step;
    }

    /** Numbers of the latest step. */
    Job.Metrics metrics() {
        return last;
    }

    // ---- what happens

    /**
     * Whether the loss before training was measured by a process that was killed before it saved a state; evaluations are
     * compared with it as they would have been there.
     */
    boolean measuredBefore() {
        OptionalDouble before = jobs.database().read(handle -> HistoryRows.metrics(handle, job.id())).stream()
                .filter(row -> row.step() == 0)
                .map(Job.Metrics::fullLoss)
                .flatMapToDouble(OptionalDouble::stream)
                .findFirst();
        before.ifPresent(loss -> best = loss);
        return before.isPresent();
    }

    /** What training has to beat on the validation rows. */
    void before(StepResult result) {
        OptionalDouble no = OptionalDouble.empty();
        pendingMetrics.add(new Job.Metrics(
                0, no, no, no, no, OptionalDouble.of(result.loss()), number(result.accuracy()), no, no));
        best = result.loss();
        say("Before training: validation loss=%.4f".formatted(result.loss()));
        flush();
    }

    void step(int done, StepResult result) {
        step = done;
        tokens += result.tokens();
        OptionalDouble no = OptionalDouble.empty();
        last = new Job.Metrics(
                done,
                number(result.loss()),
                number(result.accuracy()),
                no,
                no,
                no,
                no,
                number(result.learningRate()),
                number(result.gradientNorm()));
        pendingMetrics.add(last);
        pendingEvents.add(metricsEvent("Step %d/%d: training loss=%.4f".formatted(done, plan.steps(), result.loss())));
        if (pendingMetrics.size() >= PENDING_MAX || System.nanoTime() - flushedAt > FLUSH_EVERY.toNanos()) {
            flush();
        }
    }

    /** An evaluation between two steps; whether none before was as good. */
    boolean within(int done, StepResult result) {
        measured(result);
        pendingEvents.add(
                metricsEvent("Step %d/%d: validation loss=%.4f".formatted(done, plan.steps(), result.loss())));
        sinceBest = result.loss() < best ? 0 : sinceBest + 1;
        best = Math.min(best, result.loss());
        boolean gained = gained(result);
        flush();
        return gained;
    }

    /** The last evaluation. */
    void after(StepResult result) {
        measured(result);
        gained(result);
        say("After training: validation loss=%.4f".formatted(result.loss()));
        flush();
    }

    private boolean gained(StepResult result) {
        boolean gained = result.loss() < lowest.loss();
        if (gained) {
            lowest = new Best(step, result.loss());
        }
        return gained;
    }

    /** What this training had its lowest validation loss with, the first of equals; step 0 before any evaluation. */
    record Best(int step, double loss) {}

    Best best() {
        return lowest;
    }

    private void measured(StepResult result) {
        OptionalDouble loss = number(result.loss());
        OptionalDouble accuracy = number(result.accuracy());
        Job.Metrics of = last.step() == step ? last : none(step);
        last = new Job.Metrics(
                step,
                of.trainLoss(),
                of.trainAccuracy(),
                loss,
                accuracy,
                loss,
                accuracy,
                of.learningRate(),
                of.gradientNorm());
        pendingMetrics.removeIf(row -> row.step() == step);
        pendingMetrics.add(last);
    }

    /** Whether so many evaluations in a row brought nothing better. */
    boolean endEarly(int patience) {
        return patience > 0 && sinceBest >= patience;
    }

    private static OptionalDouble number(double value) {
        return Double.isFinite(value) ? OptionalDouble.of(value) : OptionalDouble.empty();
    }

    private void say(String text) {
        pendingEvents.add(jobs.message(Job.Event.Level.INFO, text));
    }

    private Job.Event metricsEvent(String text) {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("step", last.step());
        data.put("total_steps", plan.steps());
        put(data, "train_loss", last.trainLoss());
        put(data, "train_mean_token_accuracy", last.trainAccuracy());
        put(data, "valid_loss", last.validLoss());
        put(data, "valid_mean_token_accuracy", last.validAccuracy());
        put(data, "full_valid_loss", last.fullLoss());
        put(data, "full_valid_mean_token_accuracy", last.fullAccuracy());
        put(data, "learning_rate", last.learningRate());
        put(data, "gradient_norm", last.gradientNorm());
        String kind = last.fullLoss().isPresent() ? "v" : "t";
        // the same id when the step is run again
        String id = "ftevent-%s-%s%d".formatted(job.id().substring("ftjob-".length()), kind, last.step());
        return new Job.Event(id, jobs.clock().instant(), Job.Event.Level.INFO, Job.Event.Kind.METRICS, text, data);
    }

    static void put(Map<String, Object> data, String name, OptionalDouble value) {
        value.ifPresent(number -> data.put(name, number));
    }

    void flush() {
        flushedAt = System.nanoTime();
        if (pendingMetrics.isEmpty() && pendingEvents.isEmpty()) {
            return;
        }
        jobs.database().change(handle -> {
            pendingMetrics.forEach(metrics -> HistoryRows.metrics(handle, job.id(), metrics));
            pendingEvents.forEach(event -> HistoryRows.event(handle, job.id(), event));
            JobRows.progress(handle, job.id(), step, tokens, finish());
            return null;
        });
        pendingMetrics.clear();
        pendingEvents.clear();
        jobs.changes().signal();
    }

    /** When the job will have ended if it goes on as it did since this process took it up. */
    private Instant finish() {
        int done = step - begunStep;
        if (done == 0) {
            return null;
        }
        double perStep = (System.nanoTime() - begunAt) / (double) done;
        return jobs.clock().instant().plusNanos((long) (perStep * (plan.steps() - step)));
    }

    // ---- results

    List<Job.Metrics> history() {
        flush();
        return jobs.database().read(handle -> HistoryRows.metrics(handle, job.id()));
    }

    /** The columns of OpenAI and Azure together; what was not measured is empty. */
    String csv() {
        StringBuilder csv = new StringBuilder("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,"
                + "train_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy\n");
        for (Job.Metrics row : history()) {
            csv.append(row.step());
            for (OptionalDouble value : List.of(
                    row.trainLoss(),
                    row.trainAccuracy(),
                    row.validLoss(),
                    row.validAccuracy(),
                    row.trainAccuracy(),
                    row.fullLoss(),
                    row.fullAccuracy())) {
                csv.append(',')
                        .append(value.isPresent() ? String.format(Locale.ROOT, "%.6g", value.getAsDouble()) : "");
            }
            csv.append('\n');
        }
        return csv.toString();
    }
}
