package dev.nightshift.adapter;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletionException;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Who holds which version, and what becomes of it when nobody does. The names' monitor guards names and counts; no file is read
 * under it.
 */
final class VersionLives {
    private final NameTable names;
    private final AdapterSlots slots;
    private final HostCopies copies;
    private final Predicate<Version> pinned;
    /** Taken away, but still in use. */
    private final Set<Version> retiring = new HashSet<>();

    VersionLives(NameTable names, AdapterSlots slots, HostCopies copies, Predicate<Version> pinned) {
        this.names = names;
        this.slots = slots;
        this.copies = copies;
        this.pinned = pinned;
    }

    AdapterVersion snapshot(Version version) {
        synchronized (names) {
            return version.view(slots.resident(version));
        }
    }

    List<Version> retiring(String name) {
        synchronized (names) {
            return retiring.stream()
                    .filter(version -> version.name.equals(name))
                    .toList();
        }
    }

    /** What requests hold now. */
    AdaptersInUse inUse() {
        TreeSet<String> running = new TreeSet<>();
        TreeSet<String> waiting = new TreeSet<>();
        synchronized (names) {
            for (Version version :
                    Stream.concat(names.all().stream(), retiring.stream()).toList()) {
                int placed = version.leases == 0 ? 0 : slots.users(version);
                if (placed > 0) {
                    running.add(version.name);
                }
                if (version.leases > placed) {
                    waiting.add(version.name);
                }
            }
        }
        return new AdaptersInUse(List.copyOf(running), List.copyOf(waiting));
    }

    /** Holds the version that an id means now. */
    Optional<Version> hold(String id) {
        synchronized (names) {
            Optional<Version> version = names.resolve(id);
            version.ifPresent(held -> held.leases++);
            return version;
        }
    }

    /** Waits until the version is checked; its copy is fetched back meanwhile if it is neither on the device nor in memory. */
    void ready(Version version) {
        if (version.failure() != null) {
            throw version.failure();
        }
        if (version.state() == AdapterState.READY) {
            if (!slots.resident(version)) {
                copies.request(version);
            }
            return;
        }
        try {
            copies.request(version).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof ServingException known ? known : new IllegalStateException(e.getCause());
        }
    }

    /** For {@link AdapterLease#slot}. */
    int place(Version version, long ticket) {
        if (version.failure() != null) {
            throw version.failure();
        }
        return slots.take(version, ticket, copies, pinned.test(version));
    }

    /** For {@link AdapterLease#close}. */
    void release(Version version, long ticket, int slot) {
        if (slot >= 0) {
            slots.leave(slot);
        } else {
            slots.forget(ticket);
        }
        boolean free;
        synchronized (names) {
            version.leases--;
            free = version.leases == 0 && version.retired;
            if (version.leases == 0) {
                copies.unwant(version);
            }
            if (free) {
                retiring.remove(version);
            }
        }
        if (free) {
            free(version);
        }
    }

    /** Takes a version out of the names; it is freed when its last lease is closed. */
    void retire(Version version, Runnable onDrained) {
        boolean free;
        synchronized (names) {
            names.remove(version);
            version.onDrained = onDrained;
            version.retired = true;
            free = version.leases == 0;
            if (!free) {
                retiring.add(version);
            }
        }
        if (free) {
            free(version);
        }
    }

    private void free(Version version) {
        version.free();
        slots.drop(version);
        copies.drop(version);
        version.onDrained.run();
    }

    static ServingException unknown(ErrorCode code, String id) {
        String shown = id.length() > 200 ? id.substring(0, 200) + "..." : id;
        return new ServingException(code, "adapter '%s' does not exist".formatted(shown));
    }
}
