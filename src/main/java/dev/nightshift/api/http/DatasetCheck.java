package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.tuning.Job;
import dev.nightshift.tuning.JobForecast;
import java.util.List;

/** The answer to a dry run; {@code training} is null where there are faults, its seconds where they can't be measured now. */
@JsonInclude(JsonInclude.Include.ALWAYS)
record DatasetCheck(
        String object,
        boolean valid,
        List<Content> files,
        List<Fault> faults,
        @JsonProperty("fault_count") long faultCount,
        List<String> notes,
        Training training) {

    /** Rows of the training files together, or of the validation file. */
    record Content(
            String param,
            long rows,
            long tokens,
            @JsonProperty("target_tokens") long targetTokens,
            @JsonProperty("longest_tokens") int longestTokens,
            @JsonProperty("truncated_rows") long truncatedRows,
            @JsonProperty("dropped_rows") long droppedRows,
            @JsonProperty("duplicate_rows") long duplicateRows) {}

    /** What is wrong; line 0 is the data set as a whole. */
    record Fault(String file, long line, String message) {}

    /** What the job would do. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    record Training(
            @JsonProperty("training_rows") int trainingRows,
            @JsonProperty("validation_rows") int validationRows,
            @JsonProperty("n_epochs") int epochs,
            @JsonProperty("batch_size") int batchSize,
            @JsonProperty("learning_rate") double learningRate,
            int steps,
            @JsonProperty("trained_tokens") long trainedTokens,
            @JsonProperty("max_sequence_length") int sequenceMax,
            @JsonProperty("micro_batch_tokens") int microBatchTokens,
            @JsonProperty("estimated_seconds") Double seconds,
            Memory memory) {}

    /** Bytes, and layers whose activations are kept. */
    record Memory(
            @JsonProperty("arena_bytes") long arena,
            @JsonProperty("arena_bytes_max") long arenaMax,
            @JsonProperty("adapter_bytes") long adapter,
            @JsonProperty("optimizer_bytes") long optimizer,
            @JsonProperty("optimizer_host_bytes") long optimizerHost,
            @JsonProperty("layers_kept") int layersKept,
            int layers) {}

    static DatasetCheck of(JobForecast forecast) {
        return new DatasetCheck(
                "nightshift.dataset_check",
                forecast.faultCount() == 0,
                forecast.contents().stream().map(DatasetCheck::content).toList(),
                forecast.faults().stream()
                        .map(fault -> new Fault(fault.file(), fault.line(), fault.message()))
                        .toList(),
                forecast.faultCount(),
                forecast.notes(),
                forecast.outlook().map(DatasetCheck::training).orElse(null));
    }

    private static Content content(JobForecast.Content content) {
        return new Content(
                content.param(),
                content.rows(),
                content.tokens(),
                content.targetTokens(),
                content.longestTokens(),
                content.truncatedRows(),
                content.droppedRows(),
                content.duplicateRows());
    }

    private static Training training(JobForecast.Outlook outlook) {
        Job.Numbers numbers = outlook.numbers();
        JobForecast.Memory memory = outlook.memory();
        return new Training(
                outlook.trainingRows(),
                outlook.validationRows(),
                numbers.epochs(),
                numbers.batchSize(),
                numbers.learningRate(),
                numbers.steps(),
                outlook.trainedTokens(),
                outlook.sequenceMax(),
                outlook.microBatchTokens(),
                outlook.seconds().isPresent() ? outlook.seconds().getAsDouble() : null,
                new Memory(
                        memory.arena(),
                        memory.arenaMax(),
                        memory.adapter(),
                        memory.optimizer(),
                        memory.optimizerHost(),
                        memory.layersKept(),
                        memory.layers()));
    }
}
