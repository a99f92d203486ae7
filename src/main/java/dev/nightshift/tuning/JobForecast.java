package dev.nightshift.tuning;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a job would work on and take, known before it runs.
 *
 * @param contents of the training files together, then of the validation file
 * @param faults the first ones; the job would fail with them
 * @param faultCount of all
 * @param outlook empty where there are faults
 */
public record JobForecast(
        List<Content> contents, List<Fault> faults, long faultCount, List<String> notes, Optional<Outlook> outlook) {
    public JobForecast {
        contents = List.copyOf(contents);
        faults = List.copyOf(faults);
        notes = List.copyOf(notes);
    }

    /**
     * Rows of files, each counted once.
     *
     * @param param the request's field that names them
     * @param targetTokens those that bear loss
     */
    public record Content(
            String param,
            long rows,
            long tokens,
            long targetTokens,
            int longestTokens,
            long truncatedRows,
            long droppedRows,
            long duplicateRows) {}

    /**
     * What is wrong.
     *
     * @param file its id
     * @param line 0 = the data set as a whole
     */
    public record Fault(String file, long line, String message) {}

    /**
     * The training itself.
     *
     * @param trainedTokens of all steps together
     * @param seconds of the device, as measured by steps of a training; empty where none could be measured
     */
    public record Outlook(
            Job.Numbers numbers,
            int trainingRows,
            int validationRows,
            int sequenceMax,
            int microBatchTokens,
            long trainedTokens,
            OptionalDouble seconds,
            Memory memory) {}

    /**
     * Bytes.
     *
     * @param arena borrowed from the key-value cache, all parts together
     * @param arenaMax that may be borrowed
     * @param adapter factors and their gradients
     * @param optimizer its state within the arena
     * @param optimizerHost the rest of it, paged to host memory
     * @param layersKept whose activations are kept; the others' are computed again
     */
    public record Memory(
            long arena, long arenaMax, long adapter, long optimizer, long optimizerHost, int layersKept, int layers) {}

    /** In a sentence, for the job's events. */
    String text() {
        Outlook known = outlook.orElseThrow();
        Content training = contents.getFirst();
        String time = known.seconds().isPresent()
                ? "about %s of the device".formatted(duration(known.seconds().getAsDouble()))
                : "time not known";
        return "%d rows, %d for validation, %d tokens a pass, %d rows truncated; %d epochs, %d steps, %s; %.1f MB of the key-value cache"
                .formatted(
                        known.trainingRows(),
                        known.validationRows(),
                        training.tokens(),
                        training.truncatedRows(),
                        known.numbers().epochs(),
                        known.numbers().steps(),
                        time,
                        known.memory().arena() / 1e6);
    }

    private static String duration(double seconds) {
        if (seconds < 90) {
            return "%.0f s".formatted(Math.max(1, seconds));
        }
        return seconds < 5400 ? "%.0f min".formatted(seconds / 60) : "%.1f h".formatted(seconds / 3600);
    }

    /** The same in numbers. */
    Map<String, Object> numbers() {
        Outlook known = outlook.orElseThrow();
        Content training = contents.getFirst();
        Map<String, Object> numbers = new LinkedHashMap<>();
        numbers.put("rows", known.trainingRows());
        numbers.put("validation_rows", known.validationRows());
        numbers.put("tokens", training.tokens());
        numbers.put("truncated_rows", training.truncatedRows());
        numbers.put("total_steps", known.numbers().steps());
        numbers.put("trained_tokens", known.trainedTokens());
        known.seconds().ifPresent(seconds -> numbers.put("estimated_seconds", seconds));
        numbers.put("training_memory_bytes", known.memory().arena());
        return numbers;
    }
}
