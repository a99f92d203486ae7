package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Adapters that are being read from a store that may be slow. One reading a version; who waits for it waits no longer than the limit.
 * A reading past it goes on, as a call to a file system can't be taken back, and another reader takes its place, so that a store that
 * hangs for some files holds up no others. Thread-safe.
 */
final class Readings implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(Readings.class.getName());
    private static final int READERS = 2;
    /** Readings past the limit that are replaced by further readers; each holds a thread. */
    static final int REPLACED_MAX = 16;

    private static final int CLOSE_SECONDS = 10;

    private final Duration limit;
    private final Runnable onLate;
    private final ThreadPoolExecutor readers;
    private final ScheduledThreadPoolExecutor clock;
    private final Map<Version, Reading> readings = new HashMap<>();
    private int replaced;

    private static final class Reading {
        private final CompletableFuture<Void> arrival = new CompletableFuture<>();
        private ScheduledFuture<?> alarm;
        private boolean begun;
        private boolean late;
        private boolean replaced;
    }

    /** @param onLate told when a reading has passed the limit or has ended */
    Readings(Duration limit, Runnable onLate) {
        this.limit = limit;
        this.onLate = onLate;
        this.readers = new ThreadPoolExecutor(
                READERS,
                READERS,
                0,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                Thread.ofPlatform().name("nightshift-adapter-", 0).daemon().factory());
        this.clock = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().name("nightshift-adapter-clock").daemon().factory());
        clock.setRemoveOnCancelPolicy(true);
    }

    /**
     * Reads a version, or joins the reading that runs.
     *
     * @param read must call {@link #end}; what it throws is the reason that those who wait get
     */
    synchronized CompletableFuture<Void> start(Version version, Runnable read) {
        Reading running = readings.get(version);
        if (running != null) {
            return running.arrival; // a late one has failed already
        }
        Reading reading = new Reading();
        readings.put(version, reading);
        version.loading();
        reading.alarm = clock.schedule(() -> late(version, reading), limit.toNanos(), TimeUnit.NANOSECONDS);
        readers.execute(() -> run(version, reading, read));
        return reading.arrival;
    }

    private void run(Version version, Reading reading, Runnable read) {
        synchronized (this) {
            reading.begun = true;
            replace(version, reading);
        }
        try {
            read.run();
            reading.arrival.complete(null);
        } catch (ServingException e) {
            reading.arrival.completeExceptionally(e);
        } finally {
            ended(reading);
            onLate.run();
        }
    }

    private synchronized void ended(Reading reading) {
        reading.alarm.cancel(false);
        if (reading.replaced) {
            replaced--;
            resize();
        }
    }

    private void late(Version version, Reading reading) {
        synchronized (this) {
            if (readings.get(version) != reading) {
                return;
            }
            reading.late = true;
            replace(version, reading);
        }
        if (reading.arrival.completeExceptionally(tooLate(version))) {
            LOG.log(System.Logger.Level.WARNING, "{0} is not read after {1}", version.id(), limit);
            onLate.run();
        }
    }

    /** Another reader for the one that a late reading holds. */
    private void replace(Version version, Reading reading) {
        if (reading.begun && reading.late && readings.get(version) == reading && replaced < REPLACED_MAX) {
            reading.replaced = true;
            replaced++;
            resize();
        }
    }

    private void resize() {
        int size = READERS + replaced;
        if (size > readers.getMaximumPoolSize()) {
            readers.setMaximumPoolSize(size);
            readers.setCorePoolSize(size);
        } else {
            readers.setCorePoolSize(size);
            readers.setMaximumPoolSize(size);
        }
    }

    private ServingException tooLate(Version version) {
        return new ServingException(
                        ErrorCode.UNAVAILABLE,
                        "adapter %s: it was not read within %s ms (nightshift.adapter-load-timeout); reading goes on"
                                .formatted(version.id(), limit.toMillis()))
                .withRetryAfter(limit);
    }

    /** The version may be read anew from now on. */
    synchronized void end(Version version) {
        readings.remove(version);
    }

    /** Throws what those got who waited for a reading that is late. */
    synchronized void refuseLate(Version version) {
        Reading reading = readings.get(version);
        if (reading != null && reading.late) {
            throw tooLate(version);
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
        readers.shutdown();
        try {
            if (!readers.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
                LOG.log(System.Logger.Level.WARNING, "an adapter is still being read after {0} s", CLOSE_SECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
