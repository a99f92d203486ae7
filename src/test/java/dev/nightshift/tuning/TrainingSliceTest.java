package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.model.KvCache;
import dev.nightshift.model.Llama;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.RopeTable;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.cpu.VectorOps;
import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Objective;
import dev.nightshift.train.OptimizerStep;
import dev.nightshift.train.Segment;
import dev.nightshift.train.StepResult;
import dev.nightshift.train.TrainableModel;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** When a slice trains, by hand-set clocks: the table of {@link TuningRulesTest} at the place where it acts. */
class TrainingSliceTest {
    private static final int BLOCKS = 600;
    private static final long MS = 1_000_000;
    private static final Duration BUDGET = Duration.ofSeconds(1);
    private static final TuningWindow NIGHT =
            TuningWindow.of("0 22 * * *", Duration.ofHours(8), ZoneId.of("Europe/Berlin"));

    private final TensorOps ops = new VectorOps(1L << 30, 1);
    private final Hands clock = new Hands();
    private boolean busy;
    private long nanos;
    private long tick;

    @AfterEach
    void close() {
        ops.close();
    }

    /** A clock that is set by hand. */
    private static final class Hands extends Clock {
        private Instant now = Instant.parse("2026-01-15T11:00:00Z");

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }

        @Override
        public Instant instant() {
            return now;
        }
    }

    private final class Chat implements EngineSeat {
        @Override
        public int lend(int blocks) {
            return BLOCKS - blocks;
        }

        @Override
        public void giveBack(int first, int blocks) {}

        @Override
        public void wake() {}

        @Override
        public boolean busy() {
            return busy;
        }

        @Override
        public boolean starved() {
            return false;
        }
    }

    private TrainingSlice slice(TuningMode mode, List<TuningWindow> windows, double share) {
        TuningRules rules = new TuningRules(mode, windows, Duration.ofSeconds(1), share, Duration.ofMillis(50));
        TrainingSlice slice = new TrainingSlice(rules, clock, () -> nanos += tick);
        TrainableModel model;
        try (Checkpoint checkpoint = Checkpoint.open(
                new ModelSource.Folder(GoldenTensors.shared("golden", "models", "llama", "bnb-4bit")),
                LoadOptions.defaults(),
                LoadProgress.SILENT)) {
            ModelWeights weights = Llama.prepare(ops, checkpoint.weights(), layer -> {});
            RopeTable rope = new RopeTable(
                    checkpoint.config().rope(), checkpoint.config().headDim());
            KvCache kv = KvCache.allocate(ops, weights.config(), 16, BLOCKS);
            model = new TrainableModel(ops, weights, kv, rope::fill, "llama", "digest");
        }
        slice.attach(new Chat(), model);
        JobSpec spec = JobSpecReader.read(
                Map.of("model", "llama", "training_file", "rows", "nightshift", Map.of("max_sequence_length", 64)), 1);
        JobPlan.Fit fit =
                JobPlan.fit(model, spec, JobPlan.shape(spec.options().lora()), (long) BLOCKS * model.blockBytes());
        JobPlan plan = JobPlan.of(spec, fit, 100, model.parameterCount());
        slice.open(plan.settings(spec), model.fresh(JobPlan.shape(spec.options().lora()), 1), plan.arenaBytes());
        return slice;
    }

    private static OptimizerStep step(int number) {
        Segment row =
                new Segment(new int[] {5, 20, 21, 22, 7, 8, 9}, new float[] {0, 0, 0, 0, 1, 1, 1}, Segment.Role.TARGET);
        return new OptimizerStep(
                new Objective.Supervised(), List.of(new MicroBatch(List.of(row))), List.of(), 1e-3, number, number);
    }

    /** Every slice runs; a kind of stage that never ran ends one. */
    private static void finish(TrainingSlice slice, CompletableFuture<StepResult> step) {
        for (int i = 0; !step.isDone(); i++) {
            assertThat(slice.runSlice(BUDGET)).as("slice " + i).isTrue();
        }
    }

    @Test
    void idleModeWaitsUntilChatHasBeenQuietForItsTime() {
        TrainingSlice slice = slice(TuningMode.IDLE, List.of(), 0.2);
        CompletableFuture<StepResult> step = slice.step(step(1));
        busy = true;
        assertThat(slice.runSlice(BUDGET)).as("beside chat").isFalse();
        busy = false;
        nanos += 999 * MS;
        assertThat(slice.runSlice(BUDGET)).as("just before the second is over").isFalse();
        assertThat(slice.resident()).as("memory borrowed").isFalse();
        nanos += MS;
        finish(slice, step);
        assertThat(slice.runSlice(BUDGET)).as("with nothing to do").isFalse();
    }

    @Test
    void windowModeTrainsBesideChatInsideItsWindowsOnly() {
        TrainingSlice slice = slice(TuningMode.WINDOW, List.of(NIGHT), 0.2);
        CompletableFuture<StepResult> first = slice.step(step(1));
        nanos += 10_000 * MS;
        assertThat(slice.runSlice(BUDGET)).as("at noon, idle").isFalse();
        clock.now = Instant.parse("2026-01-15T21:00:00Z"); // 22:00 in Berlin
        busy = true;
        finish(slice, first);
        slice.step(step(2));
        clock.now = Instant.parse("2026-01-16T05:00:00Z"); // 6:00: eight hours are over
        busy = false;
        nanos += 10_000 * MS;
        assertThat(slice.runSlice(BUDGET)).as("in the morning, idle").isFalse();
    }

    @Test
    void besideChatTrainingTakesItsShareOfEachSecond() {
        TrainingSlice slice = slice(TuningMode.ALWAYS, List.of(), 0.2);
        busy = true;
        for (int i = 1; i <= 400; i++) {
            slice.step(step(i));
        }
        tick = MS; // each look at the clock takes a millisecond, and so each stage
        int spent = 0;
        long begun = nanos;
        while (nanos - begun < 10_000 * MS) {
            long before = nanos;
            if (slice.runSlice(BUDGET)) {
                spent += Math.toIntExact((nanos - before) / MS) - 1; // the look that began it
                assertThat((nanos - before) / MS)
                        .as("of 50 ms, and the looks around them")
                        .isLessThan(60);
            } else {
                nanos += 5 * MS;
            }
        }
        // ten seconds touch eleven of the clock's; what one took too much of is the next one's loss
        assertThat(spent).as("ms").isBetween(1_800, 2_250);
    }

    @Test
    void whereTrainingIsOffNothingRuns() {
        TrainingSlice slice = slice(TuningMode.OFF, List.of(), 0.2);
        CompletableFuture<StepResult> step = slice.step(step(1));
        nanos += 100_000 * MS;
        assertThat(slice.runSlice(BUDGET)).isFalse();
        assertThat(step).isNotDone();
    }
}
