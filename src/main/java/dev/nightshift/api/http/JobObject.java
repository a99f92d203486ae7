package dev.nightshift.api.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.nightshift.tuning.Job;
import dev.nightshift.tuning.LoraSpec;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** A fine-tuning job as OpenAI shows it; the keys that it requires are there even when null. */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record JobObject(
        String id,
        String object,
        @JsonProperty("created_at") long createdAt,
        @JsonProperty("finished_at") Long finishedAt,
        @JsonProperty("estimated_finish") Long estimatedFinish,
        String model,
        @JsonProperty("fine_tuned_model") String fineTunedModel,
        @JsonProperty("organization_id") String organizationId,
        String status,
        @JsonProperty("trained_tokens") Long trainedTokens,
        @JsonProperty("training_file") String trainingFile,
        @JsonProperty("validation_file") String validationFile,
        @JsonProperty("result_files") List<String> resultFiles,
        Hyperparameters hyperparameters,
        Map<String, Object> method,
        int seed,
        Failure error,
        List<String> integrations,
        Map<String, String> metadata,
        @JsonProperty("user_provided_suffix") String suffix,
        Nightshift nightshift) {

    /** Numbers, or {@code auto} until the files are read. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Hyperparameters(
            @JsonProperty("n_epochs") Object epochs,
            @JsonProperty("batch_size") Object batchSize,
            @JsonProperty("learning_rate_multiplier") Object learningRateMultiplier,
            Object beta) {}

    /** Why it failed. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Failure(String code, String message, String param) {}

    /** What OpenAI's job has no place for. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Nightshift(
            String method,
            Lora lora,
            @JsonProperty("learning_rate") Double learningRate,
            Integer steps,
            @JsonProperty("steps_done") int stepsDone,
            int priority) {}

    /** The adapter's shape. */
    public record Lora(int r, double alpha, double dropout, List<String> targets, boolean rslora) {}

    /** A list, and whether more follow. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Page<T>(
            String object,
            List<T> data,
            @JsonProperty("has_more") boolean more,
            @JsonProperty("first_id") String firstId,
            @JsonProperty("last_id") String lastId) {
        static <T> Page<T> of(List<T> data, boolean more) {
            return new Page<>("list", data, more, null, null);
        }
    }

    /** Something that happened. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Event(
            String object,
            String id,
            @JsonProperty("created_at") long createdAt,
            String level,
            String message,
            String type,
            Map<String, Object> data) {
        static Event of(Job.Event event) {
            return new Event(
                    "fine_tuning.job.event",
                    event.id(),
                    event.created().getEpochSecond(),
                    event.level().name().toLowerCase(Locale.ROOT),
                    event.message(),
                    event.kind().name().toLowerCase(Locale.ROOT),
                    event.data());
        }
    }

    /** A state that can be served. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Checkpoint(
            String object,
            String id,
            @JsonProperty("created_at") long createdAt,
            @JsonProperty("fine_tuned_model_checkpoint") String model,
            @JsonProperty("fine_tuning_job_id") String job,
            @JsonProperty("step_number") int step,
            Map<String, Object> metrics) {
        static Checkpoint of(String job, Job.Checkpoint checkpoint) {
            return new Checkpoint(
                    "fine_tuning.job.checkpoint",
                    checkpoint.id(),
                    checkpoint.created().getEpochSecond(),
                    checkpoint.model(),
                    job,
                    checkpoint.step(),
                    metrics(checkpoint.metrics()));
        }

        private static Map<String, Object> metrics(Job.Metrics metrics) {
            Map<String, Object> numbers = new LinkedHashMap<>();
            numbers.put("step", metrics.step());
            put(numbers, "train_loss", metrics.trainLoss());
            put(numbers, "train_mean_token_accuracy", metrics.trainAccuracy());
            put(numbers, "valid_loss", metrics.validLoss());
            put(numbers, "valid_mean_token_accuracy", metrics.validAccuracy());
            put(numbers, "full_valid_loss", metrics.fullLoss());
            put(numbers, "full_valid_mean_token_accuracy", metrics.fullAccuracy());
            return numbers;
        }

        private static void put(Map<String, Object> numbers, String name, OptionalDouble value) {
            value.ifPresent(number -> numbers.put(name, number));
        }
    }

    static JobObject of(Job job) {
        Hyperparameters hyperparameters = hyperparameters(job);
        return new JobObject(
                job.id(),
                "fine_tuning.job",
                job.created().getEpochSecond(),
                seconds(job.finished()),
                seconds(job.estimatedFinish()),
                job.spec().model(),
                job.model().orElse(null),
                "nightshift",
                job.state().wire(),
                job.trainedTokens() == 0 ? null : job.trainedTokens(),
                job.spec().files().getFirst().id(),
                job.spec().validationFile().orElse(null),
                job.resultFile().map(List::of).orElse(List.of()),
                hyperparameters,
                method(job, hyperparameters),
                job.spec().seed(),
                job.error()
                        .map(reason -> new Failure(
                                reason.code(), reason.message(), reason.param().orElse(null)))
                        .orElse(null),
                List.of(),
                job.spec().metadata(),
                job.spec().suffix().orElse(null),
                nightshift(job));
    }

    private static Long seconds(Optional<Instant> time) {
        return time.map(Instant::getEpochSecond).orElse(null);
    }

    private static Hyperparameters hyperparameters(Job job) {
        Object auto = "auto";
        boolean preference = switch (job.spec().method()) {
            case SUPERVISED -> false;
            case DPO, ORPO, KTO -> true;
        };
        return job.numbers()
                .map(numbers -> new Hyperparameters(
                        numbers.epochs(),
                        numbers.batchSize(),
                        numbers.learningRateMultiplier(),
                        preference ? numbers.beta() : null))
                .orElse(new Hyperparameters(auto, auto, auto, preference ? auto : null));
    }

    /** OpenAI's two methods as they are; the others show as the nearest, their own name under {@code nightshift}. */
    private static Map<String, Object> method(Job job, Hyperparameters hyperparameters) {
        String type = switch (job.spec().method()) {
            case SUPERVISED -> "supervised";
            case DPO, ORPO, KTO -> "dpo";
        };
        Map<String, Object> method = new LinkedHashMap<>();
        method.put("type", type);
        method.put(type, Map.of("hyperparameters", hyperparameters));
        return method;
    }

    private static Nightshift nightshift(Job job) {
        LoraSpec lora = job.spec().options().lora();
        return new Nightshift(
                job.spec().method().name().toLowerCase(Locale.ROOT),
                new Lora(lora.rank(), lora.alpha(), lora.dropout(), List.copyOf(lora.targets()), lora.rsLora()),
                job.numbers().map(Job.Numbers::learningRate).orElse(null),
                job.numbers().map(Job.Numbers::steps).orElse(null),
                job.stepsDone(),
                job.spec().options().priority());
    }
}
