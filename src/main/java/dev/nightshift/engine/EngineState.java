package dev.nightshift.engine;

/** Life of an engine. */
public enum EngineState {
    RUNNING,
    /** No new sequences; those admitted finish. */
    DRAINING,
    STOPPED,
    /** The device failed; the process should be restarted. */
    FAILED
}
