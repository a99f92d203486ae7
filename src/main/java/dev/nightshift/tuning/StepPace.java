package dev.nightshift.tuning;

import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.TrainerSettings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * Time of the device that a token takes in one kind of training step. A process's first steps are many times slower than its
 * later ones, as their code is still being compiled, and not evenly so: there are stretches in which a step is hardly faster
 * than the one before. So steps are looked at in groups of a second, and only two groups in a row without a gain end the
 * beginning. Any thread.
 */
final class StepPace {
    private static final double GROUP_SECONDS = 1;
    /** A group whose median is below this share of the lowest one so far has gained. */
    private static final double GAIN = 0.9;

    private static final int GROUPS_WITHOUT_GAIN = 2;

    private final List<Double> group = new ArrayList<>();
    private double groupSeconds;
    private double seconds;
    private double lowest = Double.POSITIVE_INFINITY;
    private double latest = Double.NaN;
    private int groupsWithoutGain;
    private int steps;

    /**
     * What the time of a token depends on.
     *
     * @param size of the usual micro batch: powers of 1.25 tokens
     */
    record Kind(TrainerSettings settings, AdapterShape shape, TuningMethod method, long size) {
        static Kind of(TrainerSettings settings, AdapterShape shape, TuningMethod method, MicroBatch usual) {
            return new Kind(settings, shape, method, Math.round(Math.log(usual.tokens()) / Math.log(1.25)));
        }
    }

    /** Those of a process, the kinds that were asked for last. */
    static final class Known {
        private static final int KINDS_MAX = 64;

        private final Map<Kind, StepPace> kinds = new LinkedHashMap<>(16, 0.75f, true);
        private StepPace latest = new StepPace();

        synchronized StepPace of(Kind kind) {
            StepPace pace = kinds.computeIfAbsent(kind, unknown -> new StepPace());
            if (kinds.size() > KINDS_MAX) {
                kinds.remove(kinds.keySet().iterator().next());
            }
            return pace;
        }

        /** That of a training which begins. */
        synchronized StepPace begin(Kind kind) {
            latest = of(kind);
            return latest;
        }

        /** That of the training which began last. */
        synchronized StepPace latest() {
            return latest;
        }
    }

    synchronized void ran(StepTime step) {
        // until then the last stages tell more of the steps to come
        group.add((settled() ? step.seconds() : step.latest()) / step.tokens());
        groupSeconds += step.seconds();
        seconds += step.seconds();
        steps++;
        if (groupSeconds >= GROUP_SECONDS) {
            latest = median(group);
            groupsWithoutGain = latest < GAIN * lowest ? 0 : groupsWithoutGain + 1;
            lowest = Math.min(lowest, latest);
            group.clear();
            groupSeconds = 0;
        }
    }

    /** Whether the beginning is over. */
    synchronized boolean settled() {
        return groupsWithoutGain >= GROUPS_WITHOUT_GAIN;
    }

    /** How many steps there were. */
    synchronized int steps() {
        return steps;
    }

    /** Seconds of all steps so far. */
    synchronized double seconds() {
        return seconds;
    }

    /** As in the latest steps; empty before the first. */
    synchronized OptionalDouble secondsPerToken() {
        double known = Double.isNaN(latest) || !settled() && !group.isEmpty() ? median(group) : latest;
        return Double.isNaN(known) ? OptionalDouble.empty() : OptionalDouble.of(known);
    }

    private static double median(List<Double> values) {
        return values.isEmpty() ? Double.NaN : values.stream().sorted().toList().get(values.size() / 2);
    }
}
