package dev.nightshift.tuning;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;

/** Where a job stands. The arrows between states are {@link #next}; docs/tuning.md draws them. */
public enum JobState {
    VALIDATING_FILES,
    QUEUED,
    RUNNING,
    PAUSED,
    SUCCEEDED,
    FAILED,
    CANCELLED;

    /** States that may follow directly. */
    public Set<JobState> next() {
        return switch (this) {
            case VALIDATING_FILES -> Set.of(QUEUED, FAILED, CANCELLED);
            case QUEUED -> Set.of(RUNNING, PAUSED, FAILED, CANCELLED);
            case RUNNING -> Set.of(QUEUED, PAUSED, SUCCEEDED, FAILED, CANCELLED);
            case PAUSED -> Set.of(QUEUED, CANCELLED);
            case SUCCEEDED, FAILED, CANCELLED -> Set.of();
        };
    }

    /** Whether nothing can follow. */
    public boolean ended() {
        return next().isEmpty();
    }

    /** As OpenAI spells it, and the job table. */
    public String wire() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The state that {@link #wire} spelled. */
    static JobState ofWire(String wire) {
        return Arrays.stream(values())
                .filter(state -> state.wire().equals(wire))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("job state " + wire));
    }
}
