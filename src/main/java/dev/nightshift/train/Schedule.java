package dev.nightshift.train;

/**
 * Learning rate over optimizer steps.
 *
 * @param peak highest rate
 * @param warmupSteps steps of linear rise to it
 * @param totalSteps of the job
 */
public record Schedule(Kind kind, double peak, int warmupSteps, int totalSteps) {
    /** Course after the warm-up; linear and cosine fall to 0 at the end (transformers' schedules). */
    public enum Kind {
        CONSTANT,
        LINEAR,
        COSINE
    }

    public Schedule {
        if (!(peak > 0) || warmupSteps < 0 || totalSteps < 1) {
            throw new IllegalStateException("rate %s, %d of %d steps".formatted(peak, warmupSteps, totalSteps));
        }
    }

    /** Rate of step {@code step}, 0 for the first. */
    public double rate(int step) {
        if (step < warmupSteps) {
            return peak * step / warmupSteps;
        }
        double done = (double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
        return switch (kind) {
            case CONSTANT -> peak;
            case LINEAR -> peak * Math.max(0, 1 - done);
            case COSINE -> peak * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * done)));
        };
    }
}
