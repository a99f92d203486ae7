package dev.nightshift.tuning;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * How long stages take: measured nanoseconds per operation by kind of stage, as a mean that forgets, how far measurements lie from it,
 * and a peak that falls slowly. Stages without counted operations are measured whole. Engine thread.
 */
final class StageClock {
    /** Weight of the newest measurement. */
    private static final double NEWEST = 0.2;

    /** Mean deviations above the mean that a stage is given at least. */
    private static final double MARGIN = 3;

    /** How fast the peak falls to the mean: half of the way in 34 stages. A slice that ends early costs nothing, the next one begins at once. */
    private static final double FORGET = 0.02;

    private record Rate(double mean, double deviation, double peak) {
        Rate with(double measured) {
            return new Rate(
                    mean + NEWEST * (measured - mean),
                    deviation + NEWEST * (Math.abs(measured - mean) - deviation),
                    Math.max(measured, peak + FORGET * (mean - peak)));
        }

        double expected() {
            return Math.max(mean + MARGIN * deviation, peak);
        }
    }

    private final Map<String, Rate> rates = new HashMap<>();

    /** Time to reckon with for a stage; empty for a kind that never ran. */
    OptionalLong expected(String name, double operations) {
        Rate rate = rates.get(name);
        return rate == null
                ? OptionalLong.empty()
                : OptionalLong.of((long) (rate.expected() * Math.max(1, operations)));
    }

    void ran(String name, double operations, long nanos) {
        double measured = nanos / Math.max(1, operations);
        Rate known = rates.get(name);
        rates.put(name, known == null ? new Rate(measured, 0, measured) : known.with(measured));
    }
}
