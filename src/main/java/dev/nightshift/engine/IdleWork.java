package dev.nightshift.engine;

import java.time.Duration;

/** Work that uses the device while chat leaves it idle: training, in slices. Called on the engine's thread only. */
public interface IdleWork {
    IdleWork NONE = budget -> false;

    /**
     * Runs for about {@code budget} at most and stops at a point from which it can go on.
     *
     * @return whether there is more to do; after false the loop sleeps until {@link EngineLoop#wake} or a request
     */
    boolean runSlice(Duration budget);
}
