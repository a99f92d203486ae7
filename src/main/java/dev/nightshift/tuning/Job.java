package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * A job as it stands.
 *
 * @param base the base model's name when the job was created
 * @param numbers resolved hyperparameters, empty until the files are read
 * @param model name of what it published
 * @param resultFile id of the CSV file with its metrics
 */
public record Job(
        String id,
        Instant created,
        Optional<Instant> finished,
        JobState state,
        JobSpec spec,
        String base,
        Optional<Numbers> numbers,
        long trainedTokens,
        int stepsDone,
        Optional<Instant> estimatedFinish,
        Optional<String> model,
        Optional<String> resultFile,
        Optional<Reason> error) {

    /** Hyperparameters, {@code auto} resolved. */
    public record Numbers(
            int epochs, int batchSize, double learningRateMultiplier, double learningRate, double beta, int steps) {}

    /** Why a job failed. */
    public record Reason(String code, String message, Optional<String> param) {
        static Reason of(ErrorCode code, String message, Optional<String> param) {
            String text = code.code() != null ? code.code() : code.type();
            return new Reason(text, message, param);
        }
    }

    /** What happened to a job. */
    public record Event(String id, Instant created, Level level, Kind kind, String message, Map<String, Object> data) {
        /** How much it matters. */
        public enum Level {
            INFO,
            WARN,
            ERROR
        }

        /** A text, or numbers of a step. */
        public enum Kind {
            MESSAGE,
            METRICS
        }
    }

    /** A state that can be served. */
    public record Checkpoint(String id, Instant created, int step, String model, Metrics metrics) {}

    /**
     * Numbers of a step; what was not measured is empty.
     *
     * @param validLoss of some validation rows, at an evaluation within the training
     * @param fullLoss of all validation rows
     */
    public record Metrics(
            int step,
            OptionalDouble trainLoss,
            OptionalDouble trainAccuracy,
            OptionalDouble validLoss,
            OptionalDouble validAccuracy,
            OptionalDouble fullLoss,
            OptionalDouble fullAccuracy,
            OptionalDouble learningRate,
            OptionalDouble gradientNorm) {}

    /** A page of a list, and whether more follow. */
    public record Page<T>(List<T> items, boolean more) {
        public Page {
            items = List.copyOf(items);
        }
    }

    /** {@code ft:<base>:nightshift:<suffix>:<id>}: a name that stays with what this job published. */
    public String fineTunedName() {
        return "ft:" + base + ":nightshift:" + spec.suffix().orElse("") + ":" + id;
    }

    /** The adapter that this job publishes a version of. */
    public String adapterName() {
        return spec.suffix().orElse(id);
    }

    /** Steps of the whole job, once known. */
    public OptionalInt steps() {
        return numbers.isPresent() ? OptionalInt.of(numbers.get().steps()) : OptionalInt.empty();
    }
}
