package dev.nightshift.adapter;

/** Where an export stands. */
public enum ExportState {
    /** Others are written before it. */
    QUEUED,
    RUNNING,
    /** Whole, on disk and durable. */
    SUCCEEDED,
    /** Nothing of it is on disk; its error says why. */
    FAILED
}
