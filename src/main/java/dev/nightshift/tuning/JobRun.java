package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.OptimizerStep;
import dev.nightshift.train.StepResult;
import dev.nightshift.train.TrainableModel;
import dev.nightshift.train.TrainingFolder;
import dev.nightshift.train.TrainingState;
import dev.nightshift.train.data.Packing;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** One job, from its saved state to its end or an interruption. The training thread. */
final class JobRun {
    /** How long an interruption waits for the step that runs, so that its work is not lost. */
    private static final Duration LAST_STEP = Duration.ofSeconds(5);

    private static final Duration LOOK = Duration.ofMillis(200);

    private final FineTuneJobs jobs;
    private final TrainingSlice slice;
    private final JobRows.Row row;
    private final Job job;
    private final JobSpec spec;
    private final JobPlan plan;
    private final Path folder;
    private final TrainableModel model;
    private final AdapterShape shape;
    private final StepSequence sequence;
    private final StepPace pace;
    private final List<MicroBatch> validation;
    private final RunRecord record;
    private final Publication publication;
    private final Duration saveEvery;
    private long savedAt = System.nanoTime();
    private long changesSeen = -1;
    private boolean leaving;

    /** Why a run ends before its last step. */
    private static final class Interrupted extends Exception {
        private static final long serialVersionUID = 1;

        Interrupted() {
            super(null, null, false, false);
        }
    }

    JobRun(
            FineTuneJobs jobs,
            TrainingSlice slice,
            SampleReader reader,
            StepPace.Known paces,
            JobRows.Row row,
            Duration saveEvery) {
        this.jobs = jobs;
        this.slice = slice;
        this.row = row;
        this.job = row.job();
        this.spec = job.spec();
        this.plan = row.plan()
                .orElseThrow(() -> new IllegalStateException("job " + row.job().id() + " has no plan"));
        this.folder = jobs.folders().of(job.id());
        this.model = slice.model();
        checkBase();
        this.shape = shape();
        JobData.Rows rows =
                JobData.read(reader, spec, folder, plan.sequenceMax()).sound().rows();
        this.sequence = new StepSequence(rows.training(), plan, spec);
        this.pace = paces.begin(StepPace.Kind.of(plan.settings(spec), shape, spec.method(), sequence.usual()));
        this.validation = Packing.pack(rows.validation(), plan.capacityTokens(), true);
        this.record = new RunRecord(jobs, job, plan);
        this.publication = new Publication(jobs, job, model, shape);
        this.saveEvery = saveEvery;
    }

    private void checkBase() {
        if (!model.digest().equals(row.baseDigest())) {
            throw new ServingException(
                    ErrorCode.CONFLICT,
                    "the base model changed under the job: it began on '%s' with digest %s, the server has '%s' with %s"
                            .formatted(job.base(), row.baseDigest(), model.name(), model.digest()));
        }
    }

    private AdapterShape shape() {
        Path start = JobFolders.startAdapter(folder);
        return Files.isDirectory(start)
                ? TrainingFolder.readAdapter(start, model.config()).shape()
                : JobPlan.shape(spec.options().lora());
    }

    // ---- the course of a job

    /** @param stopping whether the process is about to end */
    void run(BooleanSupplier stopping) throws IOException, InterruptedException {
        try {
            Start start = start();
            await(slice.open(plan.settings(spec), start.state(), plan.arenaBytes()), stopping);
            try {
                train(start.step(), stopping);
            } finally {
                // also after a failure: the arena belongs to chat again
                slice.close();
            }
        } catch (Interrupted e) {
            record.flush();
        }
    }

    /** Where the job stands. */
    private record Start(int step, TrainingState state) {}

    private Start start() {
        Path state = JobFolders.state(folder);
        if (TrainingFolder.holdsState(state)) {
            TrainingFolder.Stored stored = TrainingFolder.read(state);
            record.restore(stored.facts());
            return new Start(record.step(), stored.state());
        }
        Path adapter = JobFolders.startAdapter(folder);
        TrainingState fresh = Files.isDirectory(adapter)
                ? new TrainingState(
                        TrainingFolder.readAdapter(adapter, model.config()).factors(), List.of())
                : model.fresh(shape, spec.seed());
        return new Start(0, fresh);
    }

    private void train(int done, BooleanSupplier stopping) throws IOException, InterruptedException, Interrupted {
        if (done == 0 && !validation.isEmpty() && !record.measuredBefore()) {
            record.before(before(stopping));
        }
        int step = done;
        while (step < plan.steps() && !record.endEarly(spec.options().patience())) {
            StepResult result = step(step, stopping);
            step++;
            record.step(step, result);
            if (!validation.isEmpty() && plan.evaluateEvery() > 0 && step % plan.evaluateEvery() == 0) {
                boolean gained = record.within(step, evaluate(true, stopping));
                if (gained && spec.options().patience() > 0) {
                    keepBest(await(slice.snapshot(), stopping));
                }
            }
            boolean checkpoint = step % plan.checkpointEvery() == 0 && step < plan.steps();
            if (checkpoint || System.nanoTime() - savedAt > saveEvery.toNanos()) {
                TrainingState state = await(slice.snapshot(), stopping);
                if (checkpoint) {
                    // before the state is saved: after a crash between the two its step is run again, and finds it
                    // published
                    publication.checkpoint(state, record.metrics());
                }
                save(state);
            }
            leaveIfAsked(stopping);
        }
        finish(stopping);
    }

    /** The base model; where the job goes on from an adapter, the better of the two. */
    private StepResult before(BooleanSupplier stopping) throws InterruptedException, Interrupted {
        StepResult base = evaluate(false, stopping);
        if (!Files.isDirectory(JobFolders.startAdapter(folder))) {
            return base;
        }
        StepResult start = evaluate(true, stopping);
        return start.loss() < base.loss() ? start : base;
    }

    private StepResult step(int step, BooleanSupplier stopping) throws InterruptedException, Interrupted {
        OptimizerStep work = new OptimizerStep(
                plan.objective(spec),
                sequence.batches(step),
                sequence.unrelated(step),
                plan.rate(spec, step),
                step + 1,
                sequence.seed(step));
        StepResult result = await(slice.step(work), stopping);
        if (!result.finite()) {
            record.flush();
            throw new ServingException(
                    ErrorCode.NON_FINITE_LOGITS,
                    "step %d has loss %s and gradient norm %s; training can't go on from there"
                            .formatted(step + 1, result.loss(), result.gradientNorm()));
        }
        slice.stepTime().ifPresent(pace::ran);
        return result;
    }

    private StepResult evaluate(boolean withAdapter, BooleanSupplier stopping)
            throws InterruptedException, Interrupted {
        return await(slice.evaluate(plan.objective(spec), validation, withAdapter), stopping);
    }

    private void finish(BooleanSupplier stopping) throws IOException, InterruptedException, Interrupted {
        TrainingState state = await(slice.snapshot(), stopping);
        Optional<StepResult> after = Optional.empty();
        if (!validation.isEmpty()) {
            after = Optional.of(evaluate(true, stopping));
            record.after(after.get());
        }
        leaveIfAsked(stopping);
        save(state);
        Publication.Outcome outcome = outcome(state, after.map(StepResult::loss));
        Optional<String> refusal = PublishCheck.refusal(
                spec.options().publish(), outcome.state().finite(), record.history(), outcome.validationLoss());
        publication.finish(state, outcome, record, refusal);
    }

    /** What the job has come to: where it may end early, what was best on the validation rows, else what was learnt last. */
    private Publication.Outcome outcome(TrainingState last, Optional<Double> lastLoss) {
        RunRecord.Best best = record.best();
        boolean earlier = spec.options().patience() > 0 && best.step() > 0 && best.step() < record.step();
        return earlier
                ? new Publication.Outcome(
                        TrainingFolder.read(JobFolders.best(folder)).state(), best.step(), Optional.of(best.loss()))
                : new Publication.Outcome(last, record.step(), lastLoss);
    }

    /**
     * Keeps an adapter for the end. It is written before a state that knows of it is saved; a run that goes on from an earlier
     * state comes by here again, with the same bits.
     */
    private void keepBest(TrainingState state) throws IOException {
        Path target = JobFolders.best(folder);
        Files.createDirectories(target);
        TrainingFolder.write(target, new TrainingState(state.factors(), List.of()), Map.of());
    }

    private void save(TrainingState state) throws IOException {
        record.flush();
        Path target = JobFolders.state(folder);
        Files.createDirectories(target);
        TrainingFolder.write(target, state, record.facts());
        savedAt = System.nanoTime();
    }

    // ---- waiting for the engine

    /** Waits for a piece of work; where the job is to stop, only as long as that may still save the step. */
    private <T> T await(CompletableFuture<T> work, BooleanSupplier stopping) throws InterruptedException, Interrupted {
        long giveUpAt = Long.MAX_VALUE;
        while (true) {
            try {
                return work.get(LOOK.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (leaving(stopping)) {
                    long now = System.nanoTime();
                    giveUpAt = Math.min(giveUpAt, now + (cancelled() ? 0 : LAST_STEP.toNanos()));
                    if (now >= giveUpAt) {
                        work.cancel(false);
                        throw new Interrupted();
                    }
                }
            } catch (ExecutionException e) {
                if (e.getCause() instanceof RuntimeException cause) {
                    throw cause;
                }
                throw new IllegalStateException("training failed", e.getCause());
            }
        }
    }

    private boolean leaving(BooleanSupplier stopping) {
        long changes = jobs.changes().count();
        if (!leaving && changes != changesSeen) {
            changesSeen = changes;
            leaving = jobs.get(job.id()).state() != JobState.RUNNING || giveWay();
        }
        return leaving || stopping.getAsBoolean();
    }

    private boolean cancelled() {
        return jobs.get(job.id()).state() == JobState.CANCELLED;
    }

    /** A job of higher priority waits: this one goes back to the queue. */
    private boolean giveWay() {
        return jobs.database().read(handle -> JobRows.outranked(handle, job.id()))
                && jobs.database()
                        .change(handle -> JobRows.move(
                                handle,
                                job.id(),
                                JobState.RUNNING,
                                JobState.QUEUED,
                                jobs.clock().instant()));
    }

    /** Keeps what was learnt and stops, where somebody wants that. */
    private void leaveIfAsked(BooleanSupplier stopping) throws InterruptedException, Interrupted, IOException {
        if (leaving(stopping)) {
            if (!cancelled()) {
                save(await(slice.snapshot(), () -> false));
            }
            throw new Interrupted();
        }
    }
}
