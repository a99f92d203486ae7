package dev.nightshift.tuning;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.load.MachineProbe;
import dev.nightshift.model.KvCache;
import dev.nightshift.model.Llama;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.RopeTable;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.cpu.VectorOps;
import dev.nightshift.train.LoraTrainer;
import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Objective;
import dev.nightshift.train.OptimizerStep;
import dev.nightshift.train.Segment;
import dev.nightshift.train.TrainableModel;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;

/**
 * What {@code make bench BENCH=training} runs: optimizer steps of one row of 512 tokens, rank 16 on all linears. Training tokens a
 * second, where the time goes by kind of stage as a share of the machine's measured peak, and how long slices are.
 */
public final class TrainingBenchmark {
    private static final int TOKENS = 512;
    private static final int WARM = 2;
    private static final int SLICES = 300;
    /** The CPU backend's default. */
    private static final Duration SLICE = Duration.ofMillis(200);

    private static final int BLOCK_TOKENS = 16;

    private final TrainableModel model;
    private final JobSpec spec;
    private final JobPlan plan;
    private final MicroBatch batch;

    private TrainingBenchmark(TensorOps ops, Path folder) {
        try (Checkpoint checkpoint =
                Checkpoint.open(new ModelSource.Folder(folder), LoadOptions.defaults(), LoadProgress.SILENT)) {
            ModelWeights weights = Llama.prepare(ops, checkpoint.weights(), layer -> {});
            RopeTable rope = new RopeTable(
                    checkpoint.config().rope(), checkpoint.config().headDim());
            long blockBytes = 2L
                    * weights.config().layers()
                    * BLOCK_TOKENS
                    * weights.config().qkvSize()
                    * 4;
            KvCache kv =
                    KvCache.allocate(ops, weights.config(), BLOCK_TOKENS, (int) Math.ceilDiv(3L << 29, blockBytes / 2));
            model = new TrainableModel(
                    ops, weights, kv, rope::fill, folder.getFileName().toString(), "digest");
        }
        spec = JobSpecReader.read(
                Map.of(
                        "model", "base",
                        "training_file", "rows",
                        "nightshift", Map.of("max_sequence_length", TOKENS)),
                1);
        JobPlan.Fit fit =
                JobPlan.fit(model, spec, JobPlan.shape(spec.options().lora()), model.blockCount() * model.blockBytes());
        plan = JobPlan.of(spec, fit, 100, model.parameterCount());
        int[] ids =
                new Random(1).ints(TOKENS, 10, model.config().vocabSize() - 10).toArray();
        float[] weights = new float[TOKENS];
        Arrays.fill(weights, 1);
        batch = new MicroBatch(List.of(new Segment(ids, weights, Segment.Role.TARGET)));
    }

    /** @param arguments model folder, threads, steps */
    public static void main(String[] arguments) throws Exception {
        int threads = Integer.parseInt(arguments[1]);
        int steps = Integer.parseInt(arguments[2]);
        double peak = MachineProbe.flopsPerSecond(threads);
        System.out.printf("machine: %.0f GFLOP/s of fma on %d threads%n", peak / 1e9, threads);
        try (TensorOps ops = new VectorOps(4L << 30, threads)) {
            TrainingBenchmark benchmark = new TrainingBenchmark(ops, Path.of(arguments[0]));
            benchmark.stages(steps, peak);
            benchmark.slices(SLICE);
        }
    }

    private OptimizerStep step(int number) {
        return new OptimizerStep(new Objective.Supervised(), List.of(batch), List.of(), 1e-4, number, number);
    }

    private static final class Spent {
        long nanos;
        double operations;
    }

    private void stages(int steps, double peak) {
        int blocks = model.blocksFor(plan.arenaBytes());
        Map<String, Spent> spent = new LinkedHashMap<>();
        try (LoraTrainer trainer = model.open(
                0,
                blocks,
                plan.settings(spec),
                model.fresh(JobPlan.shape(spec.options().lora()), 1))) {
            long total = 0;
            for (int i = 0; i < WARM + steps; i++) {
                trainer.begin(step(i + 1));
                long begun = System.nanoTime();
                while (!trainer.stepDone()) {
                    String name = trainer.nextName();
                    double operations = trainer.nextOperations();
                    long before = System.nanoTime();
                    trainer.runStage();
                    if (i >= WARM) {
                        Spent of = spent.computeIfAbsent(name, kind -> new Spent());
                        of.nanos += System.nanoTime() - before;
                        of.operations += operations;
                    }
                }
                total += i >= WARM ? System.nanoTime() - begun : 0;
            }
            System.out.printf(
                    "%d steps of 1 x %d: %.1f training tokens/s, %.0f ms a step, %d MiB of arena%n",
                    steps, TOKENS, steps * TOKENS * 1e9 / total, total / 1e6 / steps, plan.arenaBytes() >> 20);
            for (Map.Entry<String, Spent> kind : spent.entrySet()) {
                Spent of = kind.getValue();
                System.out.printf(
                        "  %-16s %5.1f %% of the time, %3.0f %% of the fma peak%n",
                        kind.getKey(), 100.0 * of.nanos / total, 100 * of.operations / (of.nanos / 1e9) / peak);
            }
        }
    }

    /** What a slice was made of. */
    private record Ran(String stage, long nanos) {}

    private void slices(Duration length) {
        List<Ran> stages = new ArrayList<>();
        TuningRules rules = new TuningRules(TuningMode.ALWAYS, List.of(), Duration.ZERO, 1, length);
        TrainingSlice slice = new TrainingSlice(
                rules, Clock.systemUTC(), System::nanoTime, (name, nanos) -> stages.add(new Ran(name, nanos)));
        slice.attach(new WholeSeat(), model);
        slice.open(plan.settings(spec), model.fresh(JobPlan.shape(spec.options().lora()), 1), plan.arenaBytes());
        // the stage clock learns first
        for (int i = 0; i < WARM; i++) {
            run(slice, i, length, stages, new ArrayList<>());
        }
        stages.clear();
        List<Long> times = new ArrayList<>();
        for (int i = WARM; times.size() < SLICES; i++) {
            run(slice, i, length, stages, times);
        }
        slice.close();
        slice.runSlice(length);
        long[] sorted = sorted(times);
        System.out.printf(
                "slices of %d ms: %d, %s, %d longer%n",
                length.toMillis(),
                sorted.length,
                spread(sorted),
                times.stream().filter(time -> time > length.toNanos()).count());
        Map<String, List<Long>> kinds = new TreeMap<>();
        stages.forEach(ran ->
                kinds.computeIfAbsent(ran.stage(), name -> new ArrayList<>()).add(ran.nanos()));
        kinds.forEach(
                (name, nanos) -> System.out.printf("  %-16s %5d, %s%n", name, nanos.size(), spread(sorted(nanos))));
    }

    private static long[] sorted(List<Long> nanos) {
        return nanos.stream().mapToLong(Long::longValue).sorted().toArray();
    }

    private static String spread(long[] sorted) {
        return "median %.1f ms, p90 %.1f, p99 %.1f, longest %.1f"
                .formatted(
                        sorted[sorted.length / 2] / 1e6,
                        sorted[(int) (sorted.length * 0.90)] / 1e6,
                        sorted[(int) (sorted.length * 0.99)] / 1e6,
                        sorted[sorted.length - 1] / 1e6);
    }

    /** One optimizer step; tells what made a slice longer than it may be. */
    private void run(TrainingSlice slice, int step, Duration length, List<Ran> stages, List<Long> times) {
        CompletableFuture<?> done = slice.step(step(step + 1));
        while (!done.isDone()) {
            int first = stages.size();
            long waited = MachineProbe.waitedForCoresNanos();
            long before = System.nanoTime();
            slice.runSlice(Duration.ofSeconds(1));
            long took = System.nanoTime() - before;
            waited = MachineProbe.waitedForCoresNanos() - waited;
            times.add(took);
            if (step >= WARM && took > length.toNanos()) {
                List<Ran> within = stages.subList(first, stages.size());
                Ran longest = within.stream()
                        .max(Comparator.comparingLong(Ran::nanos))
                        .orElseThrow();
                System.out.printf(
                        "  a slice of %.0f ms (threads waited %.0f ms for a core): %d stages, the last %s with %.0f ms, the longest %s with %.0f ms%n",
                        took / 1e6,
                        waited / 1e6,
                        within.size(),
                        within.getLast().stage(),
                        within.getLast().nanos() / 1e6,
                        longest.stage(),
                        longest.nanos() / 1e6);
            }
        }
    }

    /** An engine that has nothing but its blocks. */
    private static final class WholeSeat implements EngineSeat {
        @Override
        public int lend(int blocks) {
            return 0;
        }

        @Override
        public void giveBack(int first, int blocks) {}

        @Override
        public void wake() {}

        @Override
        public boolean busy() {
            return false;
        }

        @Override
        public boolean starved() {
            return false;
        }
    }
}
