package dev.nightshift.tuning;

import java.util.HashMap;
import java.util.Map;

/**
 * Time of the device that an optimizer step took.
 *
 * @param seconds of all its stages
 * @param latest the same, had all stages been as fast as the last ones of their kind: within a process's first step, the stages of the
 *     last layers run many times faster than those of the first
 */
record StepTime(double seconds, double latest, long tokens) {

    /** Measures a step. Engine thread. */
    static final class Measure {
        /** Share of a kind's stages that count as the last ones. */
        private static final double LAST = 0.25;

        private static final int LAST_MAX = 64;

        private final Map<String, Kind> kinds = new HashMap<>();

        /** Sums of a kind of stage, and a ring of the newest ones. */
        private static final class Kind {
            private final double[] operations = new double[LAST_MAX];
            private final long[] nanos = new long[LAST_MAX];
            private int count;
            private double allOperations;
            private long allNanos;

            void clear() {
                count = 0;
                allOperations = 0;
                allNanos = 0;
            }

            void ran(double stageOperations, long took) {
                operations[count % LAST_MAX] = stageOperations;
                nanos[count % LAST_MAX] = took;
                count++;
                allOperations += stageOperations;
                allNanos += took;
            }

            double latestNanos() {
                int last = Math.min(LAST_MAX, (int) Math.ceil(LAST * count));
                double lastOperations = 0;
                long lastNanos = 0;
                for (int i = count - last; i < count; i++) {
                    lastOperations += operations[i % LAST_MAX];
                    lastNanos += nanos[i % LAST_MAX];
                }
                return lastOperations == 0 ? 0 : lastNanos / lastOperations * allOperations;
            }
        }

        void begin() {
            kinds.values().forEach(Kind::clear);
        }

        /** @param operations as counted; stages without any are measured whole */
        void ran(String name, double operations, long nanos) {
            kinds.computeIfAbsent(name, unknown -> new Kind()).ran(Math.max(1, operations), nanos);
        }

        /** @param nanos of the step with what lies between its stages */
        StepTime end(long nanos, long tokens) {
            double all =
                    kinds.values().stream().mapToLong(kind -> kind.allNanos).sum();
            double latest =
                    kinds.values().stream().mapToDouble(Kind::latestNanos).sum();
            double seconds = nanos / 1e9;
            return new StepTime(seconds, all == 0 ? seconds : seconds * latest / all, tokens);
        }
    }
}
