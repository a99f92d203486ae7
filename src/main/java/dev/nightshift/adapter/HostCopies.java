package dev.nightshift.adapter;

import dev.nightshift.checkpoint.DoraGains;
import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.WeightSource;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * Adapters in host memory: read and checked once however many ask at the same time, kept until the budget is needed for others,
 * the longest unused going first. Copies that are pinned, wanted by the engine or in its hands stay. Thread-safe.
 */
final class HostCopies implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(HostCopies.class.getName());

    private final AdapterStore store;
    private final WeightSource base;
    private final long bytesMax;
    private final long adapterBytesMax;
    private final Predicate<Version> pinned;
    private final Runnable onArrival;
    private final Readings readings;

    /** In order of use. */
    private final LinkedHashMap<Version, HostCopy> copies = new LinkedHashMap<>(16, 0.75f, true);

    private final Set<Version> wanted = new HashSet<>();
    private final Set<Version> held = new HashSet<>();
    private long bytes;
    private long evictions;
    private boolean closed;
    private final AtomicLong loads = new AtomicLong();
    private final AtomicLong loadNanos = new AtomicLong();
    private final AtomicLong failures = new AtomicLong();

    /**
     * @param options host memory of all copies (a single larger one is kept nevertheless, alone), and how long a reading may take
     * @param adapterBytesMax device memory that one adapter may take
     * @param onArrival told when a copy has come, has failed or is late
     */
    HostCopies(
            AdapterStore store,
            WeightSource base,
            AdapterOptions options,
            long adapterBytesMax,
            Predicate<Version> pinned,
            Runnable onArrival) {
        this.store = store;
        this.base = base;
        this.bytesMax = options.hostBytes();
        this.adapterBytesMax = adapterBytesMax;
        this.pinned = pinned;
        this.onArrival = onArrival;
        this.readings = new Readings(options.loadTimeout(), onArrival);
    }

    /**
     * Ends when the copy is there, with the reason why it can't be, or with the time limit; all who ask meanwhile share one reading,
     * which goes on after the limit.
     */
    CompletableFuture<Void> request(Version version) {
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(
                        new ServingException(ErrorCode.UNAVAILABLE, "the server is shutting down"));
            }
            if (copies.get(version) != null) {
                return CompletableFuture.completedFuture(null);
            }
            // under the monitor, so that no reading starts while another one's copy is taken in
            return readings.start(version, () -> take(version));
        }
    }

    private void take(Version version) {
        try {
            HostCopy copy = read(version);
            synchronized (this) {
                readings.end(version);
                add(version, copy);
            }
        } catch (ServingException e) {
            failed(version, e);
            throw e;
        } catch (RuntimeException | Error e) {
            LOG.log(System.Logger.Level.ERROR, "adapter " + version.id() + " could not be read", e);
            ServingException failure =
                    new ServingException(ErrorCode.INTERNAL, "adapter %s: %s".formatted(version.id(), e), e);
            failed(version, failure);
            throw failure;
        }
    }

    private void failed(Version version, ServingException failure) {
        version.failed(failure);
        synchronized (this) {
            readings.end(version);
            wanted.remove(version);
        }
        LOG.log(System.Logger.Level.WARNING, "{0} can''t be served: {1}", version.id(), failure.getMessage());
    }

    private HostCopy read(Version version) {
        boolean first = version.digest().isEmpty();
        Checked checked = check(version.folder(), version.id());
        try {
            if (!first && !checked.digest().equals(version.digest())) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "adapter %s: its files have the digest %s, but it was published with %s"
                                .formatted(version.id(), checked.digest(), version.digest()));
            }
            if (version.foreign && first) {
                LOG.log(
                        System.Logger.Level.WARNING,
                        "{0} has no nightshift.json: it fits the base model''s shapes, where it comes from is unknown",
                        version.id());
            }
            HostCopy copy = checked.copy();
            version.ready(checked.digest(), copy.weights().rankMax(), HostCopy.deviceBytes(copy.weights()));
            return copy;
        } catch (ServingException e) {
            checked.copy().arena().close();
            throw e;
        }
    }

    /**
     * Runs what reads an adapter for one caller, within the limit of all readings.
     *
     * @param what names the adapter and its place
     * @param unclaimed gets what comes after the limit
     */
    <T> T within(String what, Supplier<T> read, Consumer<T> unclaimed) {
        synchronized (this) {
            if (closed) {
                throw new ServingException(ErrorCode.UNAVAILABLE, "the server is shutting down");
            }
        }
        return readings.read(what, read, unclaimed);
    }

    /** An adapter that fits the base model, with its digest. */
    record Checked(HostCopy copy, String digest) {}

    /** Reads a folder and checks all of it; every refusal names the adapter. */
    Checked check(Path folder, String id) {
        long start = System.nanoTime();
        boolean read = false;
        try {
            Checked checked = readWhole(folder, id);
            read = true;
            return checked;
        } finally {
            (read ? loads : failures).incrementAndGet();
            loadNanos.addAndGet(System.nanoTime() - start);
        }
    }

    private Checked readWhole(Path folder, String id) {
        Arena arena = Arena.ofShared();
        try {
            PeftAdapter adapter = store.read(folder, base.config(), arena, adapterBytesMax);
            adapter.checkBaseCopies(base);
            long deviceBytes = HostCopy.deviceBytes(adapter.weights());
            if (deviceBytes > adapterBytesMax) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "adapter: it takes %,d bytes on the device, nightshift.adapter-memory has %,d"
                                .formatted(deviceBytes, adapterBytesMax));
            }
            Map<Integer, Tensor> gains = DoraGains.of(adapter.weights(), base, arena);
            long hostBytes = adapter.bytes()
                    + gains.values().stream().mapToLong(Tensor::bytes).sum();
            return new Checked(new HostCopy(adapter.weights(), gains, arena, hostBytes), adapter.digest());
        } catch (ServingException e) {
            arena.close();
            String message = e.getMessage().replaceFirst("^adapter: ", "");
            throw new ServingException(e.code(), "adapter %s: %s".formatted(id, message), e);
        } catch (RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }

    /** Takes in what {@link #check} has read for a version that is ready. */
    synchronized void add(Version version, HostCopy copy) {
        if (closed || version.freed()) {
            copy.arena().close();
            return;
        }
        HostCopy before = copies.put(version, copy);
        if (before != null) {
            throw new IllegalStateException(version.id() + " was read twice");
        }
        bytes += copy.hostBytes();
        makeRoom(version);
    }

    private void makeRoom(Version newest) {
        for (Iterator<Map.Entry<Version, HostCopy>> i = copies.entrySet().iterator();
                bytes > bytesMax && i.hasNext(); ) {
            Map.Entry<Version, HostCopy> entry = i.next();
            Version version = entry.getKey();
            if (version != newest && !wanted.contains(version) && !held.contains(version) && !pinned.test(version)) {
                i.remove();
                bytes -= entry.getValue().hostBytes();
                evictions++;
                entry.getValue().arena().close();
            }
        }
    }

    /**
     * The copy, which stays until {@link #release}, or null; then it is on its way and stays when it comes, unless {@code
     * wantedMax} others are so already. Engine thread.
     *
     * @throws ServingException if its reading is late
     */
    HostCopy hold(Version version, int wantedMax) {
        synchronized (this) {
            HostCopy copy = copies.get(version);
            if (copy != null) {
                held.add(version);
                wanted.remove(version);
                return copy;
            }
            readings.refuseLate(version);
            if (!wanted.contains(version) && wanted.size() >= wantedMax) {
                return null;
            }
            wanted.add(version);
        }
        request(version);
        return null;
    }

    /** The engine has done with a copy. */
    synchronized void release(Version version) {
        held.remove(version);
        makeRoom(null);
    }

    /** Nobody waits for the version's copy any more. */
    synchronized void unwant(Version version) {
        wanted.remove(version);
    }

    /** Forgets a version that nobody holds. */
    synchronized void drop(Version version) {
        wanted.remove(version);
        HostCopy copy = held.contains(version) ? null : copies.remove(version);
        if (copy != null) {
            bytes -= copy.hostBytes();
            copy.arena().close();
        }
    }

    synchronized boolean has(Version version) {
        return copies.containsKey(version);
    }

    synchronized long bytes() {
        return bytes;
    }

    /** Copies that made way for others. */
    synchronized long evictions() {
        return evictions;
    }

    /** Adapters read whole, those of uploads too. */
    long loads() {
        return loads.get();
    }

    /** Time spent reading and checking. */
    long loadNanos() {
        return loadNanos.get();
    }

    /** Adapters that were refused. */
    long failures() {
        return failures.get();
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        readings.close();
        synchronized (this) {
            copies.values().forEach(copy -> copy.arena().close());
            copies.clear();
            bytes = 0;
        }
    }
}
