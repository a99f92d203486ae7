package dev.nightshift.tuning;

import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.LoraTrainer;
import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.OptimizerStep;
import dev.nightshift.train.StepResult;
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
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * Looks into a job's files and plans it. How fast it will be is measured: by a few steps of this very job whose outcome is thrown
 * away, or, while another one trains, by that one's latest step.
 */
final class JobForecaster {
    /** Trial steps end when one is no longer faster than this share of the one before: the first ones compile. */
    private static final double SETTLED = 0.8;

    private static final int TRIAL_STEPS_MAX = 12;

    /** Steps whose micro batches are looked at for the trial's. */
    private static final int TRIAL_SAMPLE = 20;

    private static final Duration TRIAL_TIME = Duration.ofSeconds(30);
    /** An evaluation is the forward third of a step. */
    private static final double EVALUATION_SHARE = 1 / 3.0;

    private final TrainingSlice slice;
    private final SampleReader reader;
    private final TuningRules rules;
    private final Clock clock;
    private final JobRunner.RunLimits limits;
    private final ReentrantLock training = new ReentrantLock();

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
        double steps = (double) pass * plan.epochs() + EVALUATION_SHARE * measured * evaluations;
        OptionalDouble pace = pace(inspection, plan);
        return new JobForecast.Outlook(
                plan.numbers(),
                rows.training().size(),
                rows.validation().size(),
                plan.sequenceMax(),
                plan.capacityTokens(),
                pass * plan.epochs(),
                pace.isPresent() ? OptionalDouble.of(pace.getAsDouble() * steps) : OptionalDouble.empty(),
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

    /** Seconds of the device for a token; empty where no step can be measured now. */
    private OptionalDouble pace(Inspection inspection, JobPlan plan) throws InterruptedException {
        if (rules.grant(clock.instant(), TuningRules.Load.IDLE) == TuningRules.Grant.NONE || !training.tryLock()) {
            return slice.pace();
        }
        try {
            return trial(inspection, plan) ? slice.pace() : OptionalDouble.empty();
        } finally {
            training.unlock();
        }
    }

    /** Of the first steps' micro batches the one nearest their mean: short ones take more time a token. */
    private static MicroBatch usual(StepSequence sequence, JobPlan plan) {
        List<MicroBatch> some = IntStream.range(0, Math.min(plan.stepsPerEpoch(), TRIAL_SAMPLE))
                .mapToObj(sequence::batches)
                .flatMap(List::stream)
                .toList();
        double mean = some.stream().mapToInt(MicroBatch::tokens).average().orElseThrow();
        return some.stream()
                .min(Comparator.comparingDouble(batch -> Math.abs(batch.tokens() - mean)))
                .orElseThrow();
    }

    /** Whether at least one step ran within the time. */
    private boolean trial(Inspection inspection, JobPlan plan) throws InterruptedException {
        JobSpec spec = inspection.spec();
        StepSequence sequence = new StepSequence(inspection.content().rows().training(), plan, spec);
        OptimizerStep step = new OptimizerStep(
                plan.objective(spec),
                List.of(usual(sequence, plan)),
                sequence.unrelated(0).stream().limit(1).toList(),
                0,
                1,
                sequence.seed(0));
        long begun = System.nanoTime();
        slice.open(plan.settings(spec), slice.model().fresh(inspection.shape(), spec.seed()), plan.arenaBytes());
        boolean ran = false;
        try {
            double before = Double.POSITIVE_INFINITY;
            for (int i = 0; i < TRIAL_STEPS_MAX; i++) {
                var work = slice.step(step);
                try {
                    StepResult result = work.get(
                            Math.max(1, TRIAL_TIME.minus(elapsed(begun)).toMillis()), TimeUnit.MILLISECONDS);
                    ran |= result.tokens() > 0;
                    double took = slice.pace().orElseThrow();
                    if (took > SETTLED * before) {
                        return ran;
                    }
                    before = took;
                } catch (TimeoutException e) {
                    work.cancel(false);
                    return ran;
                } catch (ExecutionException e) {
                    return false; // the job itself will meet it, and say so
                }
            }
            return ran;
        } finally {
            slice.close();
        }
    }

    private static Duration elapsed(long begun) {
        return Duration.ofNanos(System.nanoTime() - begun);
    }
}
