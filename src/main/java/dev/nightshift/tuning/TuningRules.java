package dev.nightshift.tuning;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;

/**
 * When training may use the device, and for how long at a time.
 *
 * @param windows empty = no restriction by time, except in mode WINDOW, which then never trains
 * @param quiet how long no request must have run before chat counts as idle
 * @param share of each second, 0 to 1, for training while chat is busy, where the mode allows that
 * @param slice the longest that chat waits for training
 */
public record TuningRules(TuningMode mode, List<TuningWindow> windows, Duration quiet, double share, Duration slice) {
    public TuningRules {
        Objects.requireNonNull(mode, "mode is null");
        windows = List.copyOf(windows);
        if (quiet.isNegative() || !(share >= 0 && share <= 1) || !slice.isPositive()) {
            throw new IllegalStateException("quiet %s, share %s, slice %s".formatted(quiet, share, slice));
        }
    }

    /** What chat is doing. */
    public enum Load {
        /** Nothing has run for {@link TuningRules#quiet}. */
        IDLE,
        /** Nothing runs, but something did a moment ago. */
        COOLING,
        /** Requests run or wait. */
        BUSY
    }

    /** What training may have. */
    public enum Grant {
        NONE,
        /** Slices as long as time allows, {@link TuningRules#share} of it. */
        SHARE,
        /** Slice after slice. */
        FULL
    }

    /** The table of mode, window and load; docs/tuning.md shows it. */
    public Grant grant(Instant now, Load load) {
        boolean inside = windows.stream().anyMatch(window -> window.contains(now));
        return switch (mode) {
            case OFF -> Grant.NONE;
            case IDLE -> (windows.isEmpty() || inside) && load == Load.IDLE ? Grant.FULL : Grant.NONE;
            case WINDOW -> inside ? besideChat(load) : Grant.NONE;
            case ALWAYS -> besideChat(load);
        };
    }

    private Grant besideChat(Load load) {
        return switch (load) {
            case IDLE, COOLING -> Grant.FULL;
            case BUSY -> share > 0 ? Grant.SHARE : Grant.NONE;
        };
    }
}
