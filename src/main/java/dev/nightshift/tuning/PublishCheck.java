package dev.nightshift.tuning;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/** Whether what a job learnt may go live. */
final class PublishCheck {
    /** Share of the steps at either end whose mean loss is compared where there are no validation rows. */
    private static final double ENDS = 0.1;

    private PublishCheck() {}

    /**
     * Why a job's rule does not hold, or nothing.
     *
     * @param finite whether all numbers of the adapter are
     * @param history of all steps; the one of step 0 holds the loss before training
     * @param after loss on the validation rows, if there are any
     */
    static Optional<String> refusal(
            PublishRule rule, boolean finite, List<Job.Metrics> history, Optional<Double> after) {
        return switch (rule) {
            case NEVER -> Optional.empty();
            case FINITE -> finite(finite, after);
            case BETTER ->
                finite(finite, after).or(() -> after.isPresent() ? better(history, after.get()) : fell(history));
        };
    }

    private static Optional<String> finite(boolean finite, Optional<Double> after) {
        if (!finite) {
            return Optional.of("the adapter holds numbers that are not finite");
        }
        return after.filter(loss -> !Double.isFinite(loss)).map(loss -> "the validation loss is " + loss);
    }

    private static Optional<String> better(List<Job.Metrics> history, double after) {
        OptionalDouble before = history.stream()
                .filter(row -> row.step() == 0)
                .map(Job.Metrics::fullLoss)
                .flatMapToDouble(OptionalDouble::stream)
                .findFirst();
        if (before.isPresent() && !(after < before.getAsDouble())) {
            return Optional.of(
                    "the validation loss is %.4f, before training it was %.4f".formatted(after, before.getAsDouble()));
        }
        return Optional.empty();
    }

    private static Optional<String> fell(List<Job.Metrics> history) {
        List<Double> losses = history.stream()
                .map(Job.Metrics::trainLoss)
                .flatMapToDouble(OptionalDouble::stream)
                .boxed()
                .toList();
        int ends = (int) Math.max(1, losses.size() * ENDS);
        double first = mean(losses.subList(0, Math.min(ends, losses.size())));
        double last = mean(losses.subList(Math.max(0, losses.size() - ends), losses.size()));
        return losses.size() > 1 && !(last < first)
                ? Optional.of("the training loss did not fall: %.4f over the first steps, %.4f over the last"
                        .formatted(first, last))
                : Optional.empty();
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    }
}
