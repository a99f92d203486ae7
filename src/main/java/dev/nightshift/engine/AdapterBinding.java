package dev.nightshift.engine;

import dev.nightshift.adapter.AdapterLease;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntSupplier;

/**
 * What a sequence runs with: the digest that keeps caches apart, resolved before it is submitted, and a device slot, which the
 * scheduler asks for when the sequence's turn comes. The lease behind it is closed with the sequence.
 *
 * @param place gives the slot: negative = base model, {@link AdapterLease#WAITING} = not yet; called on the engine's thread
 *     between steps, until it gives one; throws {@link dev.nightshift.failure.ServingException} if there never will be one
 * @param digest "" = base model
 */
public record AdapterBinding(IntSupplier place, String digest, Runnable release) {
    private static final IntSupplier NO_SLOT = () -> -1;

    public static final AdapterBinding BASE = new AdapterBinding(-1, "", () -> {});

    public AdapterBinding {
        Objects.requireNonNull(place, "place is null");
        Objects.requireNonNull(digest, "digest is null");
        Objects.requireNonNull(release, "release is null");
    }

    /** With a slot that is known already; -1 = base model, whose digest is always "". */
    public AdapterBinding(int slot, String digest, Runnable release) {
        this(slot < 0 ? NO_SLOT : () -> slot, slot < 0 ? "" : digest, release);
    }

    /** The slot, as {@code place} gives it now. */
    public int slot() {
        return place.getAsInt();
    }

    /** The same for several sequences: the release runs when all of them have ended. */
    public AdapterBinding shared(int sequences) {
        AtomicInteger left = new AtomicInteger(sequences);
        return new AdapterBinding(place, digest, () -> {
            if (left.decrementAndGet() == 0) {
                release.run();
            }
        });
    }

    /** Whether it is the base model without adapter. */
    public boolean isBase() {
        return place == NO_SLOT;
    }
}
