package dev.nightshift.adapter;

import java.util.concurrent.atomic.AtomicBoolean;

/** A request's hold on one version: what it names is neither replaced nor freed before {@link #close}. */
public final class AdapterLease implements AutoCloseable {
    /** Answer of {@link #slot} while the version has no place on the device. */
    public static final int WAITING = -2;

    private final VersionLives lives;
    private final Version version;
    private final long ticket;
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile int slot = WAITING;

    AdapterLease(VersionLives lives, Version version, long ticket) {
        this.lives = lives;
        this.version = version;
        this.ticket = ticket;
    }

    /** Identity of what it computes, for caches. */
    public String digest() {
        return version.digest();
    }

    /** The version, {@code name@number}. */
    public String versionId() {
        return version.id();
    }

    /**
     * Device slot, or {@link #WAITING} while all are in use or the version is read again. Once given it stays until the lease is
     * closed. Engine thread only, between steps: it may write to the device.
     *
     * @throws dev.nightshift.failure.ServingException if the version can't be read any more
     */
    public int slot() {
        if (slot == WAITING) {
            slot = lives.place(version, ticket);
        }
        return slot;
    }

    /** Gives it back; any number of times. Not while {@link #slot} runs. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            lives.release(version, ticket, slot);
        }
    }
}
