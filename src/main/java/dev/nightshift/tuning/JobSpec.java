package dev.nightshift.tuning;

import dev.nightshift.train.Schedule;
import dev.nightshift.train.TrainerSettings.OptimizerKind;
import dev.nightshift.train.data.DatasetFormat;
import dev.nightshift.train.data.DatasetOptions.Rendering;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * What a client asked for, checked. Empty optionals are {@code auto}; see {@link AutoValues}.
 *
 * @param model base model, or an adapter to go on from
 * @param files training files with their weights, the {@code training_file} first
 * @param seed given or chosen by the server
 * @param options everything else
 * @param request as it was sent, for the job's row and its echo
 */
public record JobSpec(
        String model,
        List<FileShare> files,
        Optional<String> validationFile,
        Optional<String> suffix,
        int seed,
        TuningMethod method,
        Hyperparameters hyperparameters,
        Options options,
        Map<String, String> metadata,
        Map<String, Object> request) {
    public JobSpec {
        files = List.copyOf(files);
        metadata = Map.copyOf(metadata);
        Objects.requireNonNull(method, "method is null");
        Objects.requireNonNull(request, "request is null");
    }

    /** A file's id, and how often its rows count against the others'. */
    public record FileShare(String id, double weight) {}

    /** OpenAI's own. */
    public record Hyperparameters(
            OptionalInt epochs, OptionalInt batchSize, OptionalDouble learningRateMultiplier, OptionalDouble beta) {}

    /**
     * Keys of {@code nightshift}.
     *
     * @param learningRate peak; replaces the rule's rate, the multiplier still counts
     * @param warmup share of the steps, 0 to 1
     * @param sequenceMax tokens of a sample; empty = what fits model and arena
     * @param groupByLength whether the rows of a step have about the same length
     * @param trainOnInputs loss on all tokens, not the assistant's alone
     * @param heldOut share of the training rows kept for evaluation where there is no validation file
     * @param evaluateEvery steps between evaluations; 0 = before and after only
     * @param checkpointEvery steps; 0 = at the end of each epoch
     * @param patience evaluations without a better loss after which the job ends early; 0 = never
     * @param priority higher goes first
     * @param format of the rows where several fit, else empty
     * @param rendering how rows become text
     */
    public record Options(
            LoraSpec lora,
            OptimizerKind optimizer,
            Schedule.Kind schedule,
            double warmup,
            OptionalDouble learningRate,
            double beta2,
            double weightDecay,
            double maxGradNorm,
            double neftuneAlpha,
            OptionalInt sequenceMax,
            boolean packing,
            boolean groupByLength,
            boolean trainOnInputs,
            double heldOut,
            int evaluateEvery,
            int checkpointEvery,
            int patience,
            PublishRule publish,
            int priority,
            Optional<DatasetFormat> format,
            Rendering rendering) {}
}
