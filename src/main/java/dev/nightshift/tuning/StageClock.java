package dev.nightshift.tuning;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * How long stages take: measured nanoseconds per operation by kind of stage, as a mean that forgets. Stages without counted
 * operations are measured whole. Engine thread.
 */
final class StageClock {
    /** Weight of the newest measurement. */
    private static final double NEWEST = 0.2;

    private final Map<String, Double> rates = new HashMap<>();

    /** Expected time of a stage; empty for a kind that never ran. */
    OptionalLong expected(String name, double operations) {
        Double rate = rates.get(name);
        return rate == null ? OptionalLong.empty() : OptionalLong.of((long) (rate * Math.max(1, operations)));
    }

    void ran(String name, double operations, long nanos) {
        double rate = nanos / Math.max(1, operations);
        rates.merge(name, rate, (old, measured) -> old + NEWEST * (measured - old));
    }
}
