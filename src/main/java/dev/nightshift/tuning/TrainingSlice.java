package dev.nightshift.tuning;

import dev.nightshift.engine.EngineLoop;
import dev.nightshift.engine.IdleWork;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.LoraTrainer;
import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Objective;
import dev.nightshift.train.OptimizerStep;
import dev.nightshift.train.StepResult;
import dev.nightshift.train.TrainableModel;
import dev.nightshift.train.TrainerSettings;
import dev.nightshift.train.TrainingState;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * The trainer's place on the engine's thread. Host threads hand over pieces of work and wait for their outcome; {@link
 * #runSlice} runs stages of them while the rules grant time. The arena lies in blocks of the key-value cache: when chat lacks
 * room, they go back at once and what was learnt waits on the host; the interrupted step is run again from its start, with
 * the same bits.
 */
public final class TrainingSlice implements IdleWork {
    /** Share of a slice that is planned; the rest is for a stage that takes longer than any lately. */
    private static final double PLANNED = 0.9;

    /** Name of the stages that change parameters. */
    private static final String UPDATE = "adamw";

    private final TuningRules rules;
    private final Clock clock;
    private final LongSupplier nanoTime;
    private final StageLog stageLog;
    private final StageClock stageClock = new StageClock();
    private final TimeShare share;
    private final Queue<Work> queue = new ConcurrentLinkedQueue<>();
    private volatile EngineSeat seat;
    private volatile TrainableModel model;
    private volatile boolean resident;
    private volatile StepTime stepTime;

    // ---- engine thread only
    private long busyAt;
    private Work current;
    private boolean begun;
    private long workNanos;
    private final StepTime.Measure measure = new StepTime.Measure();
    private TrainerSettings settings;
    private TrainingState kept;
    private int blocks;
    private int firstBlock;
    private LoraTrainer trainer;

    /**
     * @param clock for windows
     * @param nanoTime monotonic, for slices
     */
    public TrainingSlice(TuningRules rules, Clock clock, LongSupplier nanoTime) {
        this(rules, clock, nanoTime, (name, nanos) -> {});
    }

    /** Is told of every stage on the engine's thread. */
    interface StageLog {
        void ran(String name, long nanos);
    }

    TrainingSlice(TuningRules rules, Clock clock, LongSupplier nanoTime, StageLog stageLog) {
        this.stageLog = stageLog;
        this.rules = rules;
        this.clock = clock;
        this.nanoTime = nanoTime;
        this.share = new TimeShare(rules.share(), nanoTime.getAsLong());
        this.busyAt = nanoTime.getAsLong() - rules.quiet().toNanos();
    }

    /** Takes its place once the model is there. */
    public void attach(EngineLoop engine, TrainableModel trainable) {
        attach(EngineSeat.of(engine), trainable);
    }

    void attach(EngineSeat place, TrainableModel trainable) {
        model = trainable;
        seat = place;
    }

    /** The model, once attached. */
    TrainableModel model() {
        if (model == null) {
            throw new ServingException(ErrorCode.UNAVAILABLE, "the model still loads");
        }
        return model;
    }

    /** Whether an arena is borrowed now; any thread. */
    public boolean resident() {
        return resident;
    }

    /** Of the latest optimizer step; empty before the first. Any thread. */
    Optional<StepTime> stepTime() {
        return Optional.ofNullable(stepTime);
    }

    // ---- host threads

    /**
     * A piece of work.
     *
     * @param learns whether it is an optimizer step
     * @param begin gives the trainer its stages; null for what happens at once
     * @param end tells the outcome
     */
    private record Work(
            boolean learns,
            Consumer<LoraTrainer> begin,
            Consumer<LoraTrainer> end,
            Runnable atOnce,
            CompletableFuture<?> outcome) {}

    /** Begins a job's training; the arena is borrowed when its first step may run. */
    CompletableFuture<Void> open(TrainerSettings trainerSettings, TrainingState start, long arenaBytes) {
        CompletableFuture<Void> outcome = new CompletableFuture<>();
        return post(outcome, () -> {
            if (settings != null) {
                throw new IllegalStateException("a training is open already");
            }
            settings = trainerSettings;
            kept = start;
            blocks = model.blocksFor(arenaBytes);
            outcome.complete(null);
        });
    }

    CompletableFuture<StepResult> step(OptimizerStep step) {
        return stages(true, trainer -> trainer.begin(step));
    }

    CompletableFuture<StepResult> evaluate(Objective objective, List<MicroBatch> batches, boolean withAdapter) {
        return stages(false, trainer -> trainer.beginEvaluation(objective, batches, withAdapter));
    }

    /** What was learnt so far. */
    CompletableFuture<TrainingState> snapshot() {
        CompletableFuture<TrainingState> outcome = new CompletableFuture<>();
        return post(outcome, () -> outcome.complete(trainer == null ? kept : model.snapshot(trainer)));
    }

    /** Ends the training, whatever it does, and gives the arena back. */
    CompletableFuture<Void> close() {
        CompletableFuture<Void> outcome = new CompletableFuture<>();
        return post(outcome, () -> {
            release();
            settings = null;
            kept = null;
            outcome.complete(null);
        });
    }

    private CompletableFuture<StepResult> stages(boolean learns, Consumer<LoraTrainer> begin) {
        CompletableFuture<StepResult> outcome = new CompletableFuture<>();
        queue.add(new Work(learns, begin, done -> outcome.complete(done.result()), null, outcome));
        seat.wake();
        return outcome;
    }

    private <T> CompletableFuture<T> post(CompletableFuture<T> outcome, Runnable atOnce) {
        queue.add(new Work(false, null, null, atOnce, outcome));
        seat.wake();
        return outcome;
    }

    // ---- engine thread

    @Override
    public boolean runSlice(Duration budget) {
        EngineSeat place = seat;
        if (place == null) {
            return false;
        }
        long start = nanoTime.getAsLong();
        TuningRules.Load load = load(place, start);
        if (trainer != null && place.starved()) {
            evict();
        }
        if (!next()) {
            return false;
        }
        Duration allowed = allowed(load, budget, start);
        if (!allowed.isPositive() || !settle(place)) {
            return false;
        }
        guarded(current, () -> runStages(start, allowed.toNanos()));
        if (load == TuningRules.Load.BUSY) {
            share.spent(Duration.ofNanos(nanoTime.getAsLong() - start));
        }
        return true;
    }

    private TuningRules.Load load(EngineSeat place, long now) {
        if (place.busy()) {
            busyAt = now;
            return TuningRules.Load.BUSY;
        }
        return now - busyAt < rules.quiet().toNanos() ? TuningRules.Load.COOLING : TuningRules.Load.IDLE;
    }

    private Duration allowed(TuningRules.Load load, Duration budget, long now) {
        Duration slice = budget.compareTo(rules.slice()) < 0 ? budget : rules.slice();
        return switch (rules.grant(clock.instant(), load)) {
            case NONE -> Duration.ZERO;
            case FULL -> slice;
            case SHARE -> {
                Duration left = share.left(now);
                yield left.compareTo(slice) < 0 ? left : slice;
            }
        };
    }

    /** Makes a piece of work with stages the current one, doing on the way what needs none. */
    private boolean next() {
        if (current != null && current.outcome().isDone()) {
            giveUp(); // its host no longer waits
        }
        while (current == null) {
            Work work = queue.poll();
            if (work == null) {
                return false;
            }
            if (work.atOnce() == null) {
                current = work;
            } else {
                guarded(work, work.atOnce());
            }
        }
        return true;
    }

    /** Borrows the arena and puts the trainer into it; false while chat has no room for it. */
    private boolean settle(EngineSeat place) {
        if (trainer == null) {
            int first = place.lend(blocks);
            if (first < 0) {
                return false;
            }
            firstBlock = first;
            resident = true;
            guarded(current, () -> trainer = model.open(first, blocks, settings, kept));
            if (trainer == null) {
                giveBack();
            }
        }
        return trainer != null;
    }

    private void runStages(long start, long allowedNanos) {
        if (!begun) {
            current.begin().accept(trainer);
            begun = true;
            workNanos = 0;
            measure.begin();
        }
        boolean first = true;
        while (!trainer.stepDone() && (first || fits(start, allowedNanos))) {
            String name = trainer.nextName();
            double operations = trainer.nextOperations();
            long before = nanoTime.getAsLong();
            trainer.runStage();
            long took = nanoTime.getAsLong() - before;
            stageClock.ran(name, operations, took);
            measure.ran(name, operations, took);
            stageLog.ran(name, took);
            first = false;
        }
        workNanos += nanoTime.getAsLong() - start;
        finishIfDone();
    }

    private boolean fits(long start, long allowedNanos) {
        OptionalLong expected = stageClock.expected(trainer.nextName(), trainer.nextOperations());
        return expected.isPresent() && nanoTime.getAsLong() - start + expected.getAsLong() <= PLANNED * allowedNanos;
    }

    private void finishIfDone() {
        if (begun && trainer.stepDone()) {
            Work done = current;
            current = null;
            begun = false;
            if (done.learns()) {
                stepTime = measure.end(workNanos, trainer.result().tokens());
            }
            done.end().accept(trainer);
        }
    }

    /** A failure of training is the job's, not the engine's. */
    private void guarded(Work work, Runnable part) {
        try {
            part.run();
        } catch (RuntimeException e) {
            work.outcome().completeExceptionally(e);
            if (work == current) {
                giveUp();
            }
        }
    }

    private void giveUp() {
        current = null;
        begun = false;
        if (trainer != null) {
            trainer.abandonStep();
        }
    }

    /**
     * Chat needs the room. A step whose update has begun is finished first, which is short; an earlier one is run again from
     * its start.
     */
    private void evict() {
        if (begun && !trainer.stepDone() && trainer.nextName().equals(UPDATE)) {
            while (!trainer.stepDone()) {
                trainer.runStage();
            }
        }
        finishIfDone();
        if (begun) {
            trainer.abandonStep();
            begun = false;
        }
        kept = model.snapshot(trainer);
        release();
    }

    private void release() {
        if (trainer != null) {
            trainer.close();
            trainer = null;
            giveBack();
        }
        begun = false;
    }

    private void giveBack() {
        seat.giveBack(firstBlock, blocks);
        resident = false;
    }
}
