package dev.nightshift.adapter;

import dev.nightshift.failure.ServingException;
import java.nio.file.Path;

/** One immutable version and what is known of it. What changes is written under the registry's lock, or once by its load. */
final class Version {
    final String name;
    final int number;
    final AdapterOrigin origin;
    final boolean foreign;
    /** Sizes and times of its files when it was found. */
    final String fingerprint;
    /** Loaded from a folder that is not its own: the files are not ours to delete. */
    final boolean attached;

    private volatile Path folder;
    private volatile String digest;
    private volatile AdapterState state = AdapterState.REGISTERED;
    private volatile ServingException failure;
    private volatile int rank;
    private volatile long bytes;
    /** Retired and left by its last lease: nothing of it may be kept. */
    private volatile boolean freed;

    // ---- under the registry's lock
    int leases;
    volatile boolean retired;
    Runnable onDrained = () -> {};

    /** @param digest as its record says, or empty */
    Version(
            String name,
            int number,
            Path folder,
            String digest,
            AdapterOrigin origin,
            boolean foreign,
            String fingerprint,
            boolean attached) {
        this.name = name;
        this.number = number;
        this.folder = folder;
        this.digest = digest;
        this.origin = origin;
        this.foreign = foreign;
        this.fingerprint = fingerprint;
        this.attached = attached;
    }

    String id() {
        return name + "@" + number;
    }

    Path folder() {
        return folder;
    }

    /** Its files were moved. */
    void movedTo(Path path) {
        folder = path;
    }

    String digest() {
        return digest;
    }

    AdapterState state() {
        return retired ? AdapterState.RETIRING : state;
    }

    ServingException failure() {
        return failure;
    }

    void loading() {
        if (state == AdapterState.REGISTERED) {
            state = AdapterState.LOADING;
        }
    }

    void ready(String contentDigest, int rankMax, long deviceBytes) {
        digest = contentDigest;
        rank = rankMax;
        bytes = deviceBytes;
        state = AdapterState.READY;
    }

    void free() {
        freed = true;
    }

    boolean freed() {
        return freed;
    }

    void failed(ServingException why) {
        failure = why;
        state = AdapterState.FAILED;
    }

    AdapterVersion view(boolean resident) {
        ServingException why = failure;
        return new AdapterVersion(
                name,
                number,
                digest,
                origin,
                foreign,
                state(),
                why == null ? "" : why.getMessage(),
                rank,
                bytes,
                resident,
                leases);
    }
}
