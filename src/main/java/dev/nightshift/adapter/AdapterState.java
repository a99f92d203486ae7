package dev.nightshift.adapter;

/** Where a version stands. */
public enum AdapterState {
    /** On disk; read when it is first asked for. */
    REGISTERED,
    /** Being read and checked. */
    LOADING,
    /** Checked; its content may have left host memory again, and comes back when it is asked for. */
    READY,
    /** Can't be served; the version says why. */
    FAILED,
    /** Taken away: what runs with it ends, nothing new starts. */
    RETIRING
}
