package dev.nightshift.adapter;

/** A request's hold on one version: it is neither replaced nor freed before {@link #close}. */
public interface AdapterLease extends AutoCloseable {
    /** Answer of {@link #slot} while the version has no place on the device. */
    int WAITING = -2;

    /** Identity of what it computes, for caches. */
    String digest();

    /**
     * Device slot, or {@link #WAITING} while all are in use or the version is read again. Once given it stays until the lease is
     * closed. Engine thread only, between steps: it may write to the device.
     *
     * @throws dev.nightshift.failure.ServingException if the version can't be read any more
     */
    int slot();

    /** Gives it back; any thread, any number of times. */
    @Override
    void close();
}
