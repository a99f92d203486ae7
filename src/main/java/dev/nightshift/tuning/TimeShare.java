package dev.nightshift.tuning;

import java.time.Duration;

/**
 * Keeps training to its share of time while chat is busy. Time fills up at the share's rate, a second's worth at most; a stage
 * that took longer than what was there is paid back before the next one. One thread.
 */
final class TimeShare {
    private static final long SECOND = Duration.ofSeconds(1).toNanos();

    private final double share;
    private long filledAt;
    private double nanos;

    /** @param now of a monotonic clock, in nanoseconds */
    TimeShare(double share, long now) {
        this.share = share;
        this.filledAt = now;
        this.nanos = share * SECOND;
    }

    /** Time that may be spent now; zero while a debt is paid back. */
    Duration left(long now) {
        nanos = Math.min(share * SECOND, nanos + share * (now - filledAt));
        filledAt = now;
        return Duration.ofNanos((long) Math.max(0, nanos));
    }

    void spent(Duration time) {
        nanos -= time.toNanos();
    }
}
