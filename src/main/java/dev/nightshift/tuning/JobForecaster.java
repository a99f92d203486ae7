package dev.nightshift.tuning;

import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.LoraTrainer;
import dev.nightshift.train.OptimizerStep;
import dev.nightshift.train.TrainableModel;
import dev.nightshift.train.TrainerSettings;
import dev.nightshift.train.TrainingFolder;
import dev.nightshift.train.data.Dataset;
import dev.nightshift.train.data.Packing;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Looks into a job's files and plans it. How fast it will be is measured: by steps of this very job whose outcome is thrown
 * away, unless this process knows it already; while another job trains, by that one's latest steps.
 */
final class JobForecaster {
    /** A process's first step is nothing to go by: 23 s where the second took 2.2 (SmolLM2-135M, two busy cores). */
    private static final int STEPS_MIN = 2;

    /** How long a trial's last steps may go on after {@link JobRunner.RunLimits#trial}. */
    private static final Duration LAST_STEPS = Duration.ofSeconds(25);

    /** An evaluation is the forward third of a step. */
    private static final double EVALUATION_SHARE = 1 / 3.0;

    private final TrainingSlice slice;
    private final SampleReader reader;
    private final TuningRules rules;
    private final Clock clock;
    private final JobRunner.RunLimits limits;
    private final ReentrantLock training = new ReentrantLock();
    private final StepPace.Known paces = new StepPace.Known();

    JobForecaster(
            TrainingSlice slice, SampleReader reader, TuningRules rules, Clock clock, JobRunner.RunLimits limits) {
        this.slice = slice;
        this.reader = reader;
        this.rules = rules;
        this.clock = clock;
        this.limits = limits;
    }

    /** Held by whoever has a training open in the slice. */
    ReentrantLock training() {
        return training;
    }

    /** How fast this process trained. */
    StepPace.Known paces() {
        return paces;
    }

    /** A job's files, and how it fits into memory. */
    record Inspection(JobSpec spec, AdapterShape shape, JobPlan.Fit fit, JobData content) {}

    /** @param folder of the job, with its files */
    Inspection inspect(JobSpec spec, Path folder) {
        TrainableModel model = slice.model();
        Path start = JobFolders.startAdapter(folder);
        AdapterShape shape = Files.isDirectory(start)
                ? TrainingFolder.readAdapter(start, model.config()).shape()
                : JobPlan.shape(spec.options().lora());
        JobPlan.Fit fit = JobPlan.fit(model, spec, shape, arenaBytesMax(model));
        return new Inspection(spec, shape, fit, JobData.read(reader, spec, folder, fit.sequenceMax()));
    }

    private long arenaBytesMax(TrainableModel model) {
        int keep = Math.ceilDiv(limits.keepTokens(), model.kv().layout().blockTokens());
        long lendable = Math.max(0, model.blockCount() - keep) * model.blockBytes();
        return Math.min(limits.arenaBytesMax(), lendable);
    }

    JobPlan plan(Inspection inspection) {
        int rows = inspection.content().rows().training().size();
        return JobPlan.of(
                inspection.spec(), inspection.fit(), rows, slice.model().parameterCount());
    }

    /** May take some seconds, while training has its share of the device. */
    JobForecast forecast(Inspection inspection) throws InterruptedException {
        JobData content = inspection.content();
        List<JobForecast.Content> contents = new ArrayList<>();
        List<JobForecast.Fault> faults = new ArrayList<>();
        contents.add(content("training_file", content.training(), faults));
        content.validation().ifPresent(dataset -> contents.add(content("validation_file", dataset, faults)));
        long count = content.training().faultCount()
                + content.validation().map(Dataset::faultCount).orElse(0L);
        Optional<JobForecast.Outlook> outlook = content.isSound() ? Optional.of(outlook(inspection)) : Optional.empty();
        return new JobForecast(
                contents,
                faults.subList(0, Math.min(faults.size(), Dataset.FAULTS_MAX)),
                count,
                content.notes(),
                outlook);
    }

    private static JobForecast.Content content(String param, Dataset dataset, List<JobForecast.Fault> faults) {
        dataset.faults()
                .forEach(fault -> faults.add(new JobForecast.Fault(fault.file(), fault.line(), fault.message())));
        Dataset.Counts counts = dataset.counts();
        return new JobForecast.Content(
                param,
                counts.rows(),
                counts.tokens(),
                counts.targetTokens(),
                counts.longestTokens(),
                counts.truncated(),
                counts.dropped(),
                counts.duplicates());
    }

    private JobForecast.Outlook outlook(Inspection inspection) throws InterruptedException {
        JobPlan plan = plan(inspection);
        JobData.Rows rows = inspection.content().rows();
        long pass = rows.training().stream().mapToLong(Packing::tokens).sum();
        long measured = rows.validation().stream().mapToLong(Packing::tokens).sum();
        boolean goesOn = !inspection.spec().model().equals(slice.model().name());
        long evaluations = (goesOn ? 3 : 2) + (plan.evaluateEvery() > 0 ? plan.steps() / plan.evaluateEvery() : 0);
        double tokens = (double) pass * plan.epochs() + EVALUATION_SHARE * measured * evaluations;
        OptionalDouble pace = pace(inspection, plan, tokens);
        return new JobForecast.Outlook(
                plan.numbers(),
                rows.training().size(),
                rows.validation().size(),
                plan.sequenceMax(),
                plan.capacityTokens(),
                pass * plan.epochs(),
                pace.isPresent() ? OptionalDouble.of(pace.getAsDouble() * tokens) : OptionalDouble.empty(),
                memory(inspection, plan));
    }

    private JobForecast.Memory memory(Inspection inspection, JobPlan plan) {
        TrainableModel model = slice.model();
        TrainerSettings settings = plan.settings(inspection.spec());
        LoraTrainer.Memory parts = LoraTrainer.memory(model.config(), settings, inspection.shape());
        return new JobForecast.Memory(
                model.blocksFor(plan.arenaBytes()) * model.blockBytes(),
                arenaBytesMax(model),
                parts.adapterBytes(),
                parts.optimizerBytes(),
                parts.optimizerHostBytes(),
                parts.layersKept(),
                model.config().layers());
    }

    // ---- the trial

    /**
     * Seconds of the device for a token; empty where no step can be measured now.
     *
     * @param tokens of the whole job
     */
    private OptionalDouble pace(Inspection inspection, JobPlan plan, double tokens) throws InterruptedException {
        JobSpec spec = inspection.spec();
        StepSequence sequence = new StepSequence(inspection.content().rows().training(), plan, spec);
        StepPace.Kind kind = StepPace.Kind.of(plan.settings(spec), inspection.shape(), spec.method(), sequence.usual());
        StepPace pace = paces.of(kind);
        if (!pace.settled()
                && rules.grant(clock.instant(), TuningRules.Load.IDLE) != TuningRules.Grant.NONE
                && training.tryLock()) {
            try {
                trial(inspection, plan, sequence, paces.begin(kind), tokens);
            } finally {
                training.unlock();
            }
        }
        OptionalDouble known = pace.secondsPerToken();
        return known.isPresent() ? known : paces.latest().secondsPerToken();
    }

    /**
     * Runs steps until they become no faster: for no longer than the whole job would take, and no longer than the limit, as
     * somebody waits for the answer.
     */
    private void trial(Inspection inspection, JobPlan plan, StepSequence sequence, StepPace pace, double tokens)
            throws InterruptedException {
        JobSpec spec = inspection.spec();
        OptimizerStep step = new OptimizerStep(
                plan.objective(spec),
                List.of(sequence.usual()),
                sequence.unrelated(0).stream().limit(1).toList(),
                0,
                1,
                sequence.seed(0));
        long begun = System.nanoTime();
        slice.open(plan.settings(spec), slice.model().fresh(inspection.shape(), spec.seed()), plan.arenaBytes());
        try {
            do {
                var work = slice.step(step);
                try {
                    Duration left = limits.trial().plus(LAST_STEPS).minus(elapsed(begun));
                    work.get(Math.max(1, left.toMillis()), TimeUnit.MILLISECONDS);
                    slice.stepTime().ifPresent(pace::ran);
                } catch (TimeoutException e) {
                    work.cancel(false);
                    return;
                } catch (ExecutionException e) {
                    return; // the job itself will meet it, and say so
                }
            } while (!pace.settled()
                    && (pace.steps() < STEPS_MIN
                            || pace.seconds() < pace.secondsPerToken().orElseThrow() * tokens
                                    && elapsed(begun).compareTo(limits.trial()) < 0));
        } finally {
            slice.close();
        }
    }

    private static Duration elapsed(long begun) {
        return Duration.ofNanos(System.nanoTime() - begun);
    }
}
