package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

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
    /** By version, or by a key of their own if they are for one caller alone. */
    private final Map<Object, Reading> readings = new HashMap<>();

    private int replaced;

    private static final class Reading {
        private final String what;
        private final Supplier<ServingException> tooLate;
        private final CompletableFuture<Void> arrival = new CompletableFuture<>();
        private ScheduledFuture<?> alarm;
        private boolean begun;
        private boolean late;
        private boolean replaced;

        Reading(String what, Supplier<ServingException> tooLate) {
            this.what = what;
            this.tooLate = tooLate;
        }
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
        version.loading();
        return start(version, new Reading(version.id(), () -> tooLate(version)), read);
    }

    private CompletableFuture<Void> start(Object key, Reading reading, Runnable read) {
        readings.put(key, reading);
        reading.alarm = clock.schedule(() -> late(key, reading), limit.toNanos(), TimeUnit.NANOSECONDS);
        readers.execute(() -> run(key, reading, read));
        return reading.arrival;
    }

    /**
     * Reads for one caller, who waits. While a reading of the same is late, it is refused at once: it would hang as well.
     *
     * @param what names the adapter and its place
     * @param unclaimed gets what comes after the limit
     */
    <T> T read(String what, Supplier<T> read, Consumer<T> unclaimed) {
        Object key = new Object();
        CompletableFuture<T> claimed = new CompletableFuture<>();
        CompletableFuture<Void> arrival;
        synchronized (this) {
            if (readings.values().stream().anyMatch(running -> running.late && running.what.equals(what))) {
                throw notRead(what);
            }
            arrival = start(key, new Reading(what, () -> notRead(what)), () -> {
                try {
                    T result = read.get();
                    if (!claimed.complete(result)) {
                        unclaimed.accept(result);
                    }
                } finally {
                    end(key);
                }
            });
        }
        try {
            arrival.join();
            return claimed.join();
        } catch (CompletionException e) {
            ServingException failure =
                    e.getCause() instanceof ServingException known ? known : internal(what, e.getCause());
            if (claimed.completeExceptionally(failure)) {
                throw failure;
            }
            return claimed.join(); // it came while its alarm rang
        }
    }

    private void run(Object key, Reading reading, Runnable read) {
        synchronized (this) {
            reading.begun = true;
            replace(key, reading);
        }
        try {
            read.run();
            reading.arrival.complete(null);
        } catch (ServingException e) {
            reading.arrival.completeExceptionally(e);
        } catch (RuntimeException | Error e) {
            LOG.log(System.Logger.Level.ERROR, reading.what + " could not be read", e);
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

    private void late(Object key, Reading reading) {
        synchronized (this) {
            if (readings.get(key) != reading) {
                return;
            }
            reading.late = true;
            replace(key, reading);
        }
        if (reading.arrival.completeExceptionally(reading.tooLate.get())) {
            LOG.log(System.Logger.Level.WARNING, "{0} is not read after {1}", reading.what, limit);
            onLate.run();
        }
    }

    /** Another reader for the one that a late reading holds. */
    private void replace(Object key, Reading reading) {
        if (reading.begun && reading.late && readings.get(key) == reading && replaced < REPLACED_MAX) {
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

    private ServingException notRead(String what) {
        return new ServingException(
                        ErrorCode.UNAVAILABLE,
                        "%s was not read within %s ms (nightshift.adapter-load-timeout); it is not served"
                                .formatted(what, limit.toMillis()))
                .withRetryAfter(limit);
    }

    private static ServingException internal(String what, Throwable cause) {
        return new ServingException(ErrorCode.INTERNAL, "%s: %s".formatted(what, cause), cause);
    }

    /** The version may be read anew from now on. */
    synchronized void end(Object key) {
        readings.remove(key);
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
