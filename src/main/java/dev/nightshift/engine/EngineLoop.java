package dev.nightshift.engine;

import dev.nightshift.failure.ServingException;
import dev.nightshift.model.KvCache;
import dev.nightshift.model.Llama;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * The one thread that touches the device. For ever: next step, forward, sample, commit; and idle work between. Other threads
 * submit sequences and read their events.
 */
public final class EngineLoop implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(EngineLoop.class.getName());
    /** How often the loop comes round with nothing to do, so that health can tell a sleeping loop from a hanging one. */
    private static final long SLEEP_NANOS = 500_000_000;
    /** The same while sequences wait for readers, whose patience and deadlines must be watched. */
    private static final long WATCH_NANOS = 20_000_000;

    private final Llama llama;
    private final KvCache kv;
    private final EngineLimits limits;
    private final Admission admission;
    private final BlockPool pool;
    private final Sampler sampler;
    private final Scheduler scheduler;
    private final IdleWork idleWork;
    private final EngineCounters counters = new EngineCounters();
    private final Runnable onFatal;
    private final Thread thread;

    /**
     * Plans all memory; {@link #start} starts the thread.
     *
     * @param onFatal called once, on the engine's thread, after the device failed and every sequence was told
     */
    public EngineLoop(TensorOps ops, EngineModel model, EngineLimits limits, IdleWork idleWork, Runnable onFatal) {
        this.llama = model.llama();
        this.kv = model.kv();
        this.limits = limits;
        this.idleWork = idleWork;
        this.onFatal = onFatal;
        int blockTokens = kv.layout().blockTokens();
        this.pool = new BlockPool(kv.blockCount());
        this.sampler = new Sampler(ops, llama, limits);
        PrefixKeys keys = new PrefixKeys(model.digest(), blockTokens);
        this.admission = new Admission(model, limits, keys, this::wake);
        PrefixCache prefixes = new PrefixCache(pool, keys, blockTokens, limits.prefixCache());
        this.scheduler = new Scheduler(model, limits, pool, prefixes, sampler, counters, admission::ended);
        this.thread = Thread.ofPlatform().name("nightshift-engine").daemon().unstarted(this::run);
    }

    /** Starts the thread; once. */
    public EngineLoop start() {
        thread.start();
        return this;
    }

    private void run() {
        try {
            while (admission.moveTo(scheduler)) {
                Step step = scheduler.next();
                if (step.isEmpty()) {
                    idle();
                    continue;
                }
                long start = System.nanoTime();
                Tensor logits = llama.forward(step.tokens(), kv);
                SamplingBatch sampled = sampler.sample(logits, step);
                scheduler.commit(step, sampled);
                booked(step, start);
                if (!limits.busySlice().isZero()) {
                    idleWork.runSlice(limits.busySlice());
                }
            }
            admission.stopped(scheduler);
        } catch (RuntimeException | Error e) {
            fail(e);
        }
    }

    private void idle() {
        counters.progressNanos = System.nanoTime();
        if (scheduler.hasSequences()) {
            LockSupport.parkNanos(this, WATCH_NANOS);
        } else if (!idleWork.runSlice(limits.idleSlice())) {
            LockSupport.parkNanos(this, SLEEP_NANOS);
        }
        counters.idleNanos += System.nanoTime() - counters.progressNanos;
    }

    private void booked(Step step, long start) {
        long now = System.nanoTime();
        counters.steps++;
        counters.stepRows += step.rows();
        counters.stepNanos += now - start;
        counters.lastStepNanos = now - start;
        counters.progressNanos = now;
    }

    /** The device is in an unknown state: everybody is told, nothing goes on. */
    private void fail(Throwable cause) {
        LOG.log(System.Logger.Level.ERROR, "the engine stops", cause);
        try {
            admission.failed(scheduler, cause);
        } finally {
            onFatal.run();
        }
    }

    // ---- any thread

    /**
     * Hands a prompt over; its events are read from the sequence.
     *
     * @throws ServingException CONTEXT_LENGTH_EXCEEDED or INVALID_REQUEST if it can never run, QUEUE_FULL, UNAVAILABLE
     */
    public Sequence submit(SequenceRequest request) {
        return admission.submit(List.of(request)).getFirst();
    }

    /** All of them or, if one is refused, none. */
    public List<Sequence> submit(List<SequenceRequest> requests) {
        return admission.submit(requests);
    }

    /** The longest sequence that can run, prompt and new tokens together. */
    public int contextMax() {
        return admission.contextMax();
    }

    public EngineLimits limits() {
        return limits;
    }

    /** Lets a sleeping loop look for work again. */
    public void wake() {
        LockSupport.unpark(thread);
    }

    /** Admits nothing more, lets what runs finish within {@code grace}, then stops. True if everything finished. */
    public boolean drain(Duration grace) throws InterruptedException {
        admission.drain();
        wake();
        boolean finished = thread.join(grace);
        if (!finished) {
            admission.stop();
            wake();
            thread.join();
        }
        return finished;
    }

    /** Stops at once; whatever runs fails with UNAVAILABLE. */
    @Override
    public void close() {
        admission.stop();
        wake();
        boolean interrupted = false;
        while (thread.isAlive() && Thread.currentThread() != thread) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether the loop lives and when it last came round. */
    public EngineHealth health() {
        Duration sinceProgress = Duration.ofNanos(System.nanoTime() - counters.progressNanos);
        return new EngineHealth(admission.state(), admission.failure(), sinceProgress);
    }

    /** A snapshot of what it does and has done. */
    public EngineStatistics statistics() {
        EngineCounters c = counters;
        // Each is read once: together they are all sequences between submission and end, whatever the engine does
        // meanwhile.
        int inFlight = admission.inFlight();
        int running = Math.min(c.running, inFlight);
        return new EngineStatistics(
                running,
                inFlight - running,
                pool.capacity(),
                pool.used(),
                c.prefixQueriedTokens,
                c.prefixHitTokens,
                c.preemptions,
                c.promptTokens,
                c.generatedTokens,
                c.finished,
                c.cancelled,
                c.failed,
                admission.refused(),
                c.steps,
                c.stepRows,
                Duration.ofNanos(c.stepNanos),
                Duration.ofNanos(c.lastStepNanos),
                Duration.ofNanos(c.idleNanos));
    }

    /** Of the engine's thread, for measurements. */
    long threadId() {
        return thread.threadId();
    }

    // ---- engine thread, from idle work

    /** Lends {@code count} neighbouring blocks to training; the first one's number, or -1 if they are not to be had. */
    public int lendBlocks(int count) {
        requireEngineThread();
        return pool.lend(count, Math.ceilDiv(contextMax(), kv.layout().blockTokens()));
    }

    /** Blocks lent before belong to chat again. */
    public void returnBlocks(int first, int count) {
        requireEngineThread();
        pool.giveBack(first, count);
    }

    private void requireEngineThread() {
        if (Thread.currentThread() != thread) {
            throw new IllegalStateException("blocks are lent on the engine's thread, not on " + Thread.currentThread());
        }
    }
}
