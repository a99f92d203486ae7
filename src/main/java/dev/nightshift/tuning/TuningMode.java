package dev.nightshift.tuning;

/** When training may use the device: {@code nightshift.tuning.mode}. */
public enum TuningMode {
    /** Whenever chat is quiet, inside a window if any is set. */
    IDLE,
    /** Inside windows only, there beside chat too, up to its share. */
    WINDOW,
    /** At any time, beside chat up to its share. */
    ALWAYS,
    /** Never; jobs wait. */
    OFF
}
