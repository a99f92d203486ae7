package dev.nightshift.tuning;

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
import dev.nightshift.train.TrainableModel;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jdbi.v3.core.Handle;

/** A server's tuning part over a disk, with an engine that has nothing but idle work; it can be killed at any operation. */
final class SimulatedProcess implements AutoCloseable {
    private static final int BLOCKS = 600;
    private static final int BLOCK_TOKENS = 16;

    final FineTuneJobs jobs;
    final TrainingSlice slice;
    final Seat seat = new Seat();
    final AtomicInteger operations = new AtomicInteger();
    private final JobRunner runner;
    private final TensorOps ops;
    private final Thread engine;
    private final SimulatedDisk disk;
    private volatile int killAt = Integer.MAX_VALUE;
    private volatile boolean stopped;
    volatile RuntimeException engineFailure;
    volatile Runnable fault = () -> {};

    SimulatedProcess(SimulatedDisk disk, String digest, TuningMode mode) {
        // two trial steps: how many operations a job takes is then no matter of time
        this(disk, digest, mode, System::nanoTime, (name, nanos) -> {}, Duration.ZERO);
    }

    /** @param trial for how long steps are tried to tell a job's time */
    SimulatedProcess(
            SimulatedDisk disk,
            String digest,
            TuningMode mode,
            LongSupplier nanoTime,
            TrainingSlice.StageLog stages,
            Duration trial) {
        this.disk = disk;
        TuningRules rules = new TuningRules(mode, List.of(), Duration.ZERO, 0.5, Duration.ofMillis(5));
        ops = new VectorOps(1L << 30, 2);
        slice = new TrainingSlice(rules, Clock.systemUTC(), nanoTime, stages);
        try (Checkpoint checkpoint = Checkpoint.open(
                new ModelSource.Folder(GoldenTensors.shared("golden", "models", "llama", "bnb-4bit")),
                LoadOptions.defaults(),
                LoadProgress.SILENT)) {
            ModelWeights weights = Llama.prepare(ops, checkpoint.weights(), layer -> {});
            RopeTable rope = new RopeTable(
                    checkpoint.config().rope(), checkpoint.config().headDim());
            KvCache kv = KvCache.allocate(ops, weights.config(), BLOCK_TOKENS, BLOCKS);
            slice.attach(seat, new TrainableModel(ops, weights, kv, rope::fill, "llama", digest));
        }
        jobs = new FineTuneJobs(
                database(),
                disk.files(this::operation),
                disk.shelf(this::operation),
                slice,
                disk.jobs(),
                Clock.systemUTC());
        runner = new JobRunner(
                jobs,
                slice,
                SimulatedDisk.reader(),
                rules,
                new JobRunner.RunLimits(1L << 28, 64, Duration.ofHours(1), trial));
        engine = Thread.ofPlatform().daemon().name("simulated-engine").start(this::engineLoop);
        runner.start();
    }

    /** Dies at the given operation from the start on. */
    SimulatedProcess killAt(int operation) {
        killAt = operation;
        return this;
    }

    boolean dead() {
        return operations.get() >= killAt;
    }

    private void operation() {
        if (operations.incrementAndGet() >= killAt) {
            throw new Killed();
        }
        fault.run();
    }

    private JobDatabase database() {
        return new JobDatabase() {
            @Override
            public <R> R read(Function<Handle, R> query) {
                if (dead()) {
                    throw new Killed();
                }
                return disk.database.inTransaction(query::apply);
            }

            @Override
            public <R> R change(Function<Handle, R> change) {
                operation();
                R result = disk.database.inTransaction(change::apply);
                if (dead()) {
                    throw new Killed();
                }
                return result;
            }
        };
    }

    private void engineLoop() {
        try {
            while (!stopped) {
                operations.incrementAndGet();
                if (dead()) {
                    return;
                }
                // one stage: how many operations a job takes is then no matter of the machine's speed
                if (!slice.runSlice(Duration.ofNanos(1))) {
                    operations.decrementAndGet(); // waiting is no operation
                    LockSupport.parkNanos(2_000_000);
                }
            }
        } catch (RuntimeException e) {
            engineFailure = e;
        }
    }

    Job await(String id, JobState state) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(120).toNanos();
        while (System.nanoTime() < end) {
            Job job = jobs.get(id);
            if (job.state() == state) {
                return job;
            }
            if (job.state().ended() || engineFailure != null) {
                throw new AssertionError("job is " + job, engineFailure);
            }
            Thread.sleep(5);
        }
        throw new AssertionError("job is still " + jobs.get(id) + " " + jobs.events(id, java.util.Optional.empty(), 3));
    }

    void awaitDeath() throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(120).toNanos();
        while (!dead()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("alive after " + operations.get() + " operations");
            }
            Thread.sleep(2);
        }
        engine.join();
    }

    @Override
    public void close() throws InterruptedException {
        if (!dead()) {
            runner.close();
        }
        stopped = true;
        engine.join();
        ops.close();
    }

    /** Blocks of a cache that chat may want back. */
    final class Seat implements EngineSeat {
        volatile boolean busy;
        volatile boolean starved;
        volatile int lent;
        volatile int evictions;

        @Override
        public int lend(int blocks) {
            if (blocks > BLOCKS || starved) {
                return -1;
            }
            lent = blocks;
            return BLOCKS - blocks;
        }

        @Override
        public void giveBack(int first, int blocks) {
            if (first != BLOCKS - lent || blocks != lent) {
                throw new IllegalStateException("%d blocks from %d, lent %d".formatted(blocks, first, lent));
            }
            lent = 0;
            evictions++;
        }

        @Override
        public void wake() {
            LockSupport.unpark(engine);
        }

        @Override
        public boolean busy() {
            return busy;
        }

        @Override
        public boolean starved() {
            return starved;
        }
    }
}
