package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.TrainableModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What jobs measure, keep and publish, and how they fit into memory, on golden/models/llama, without a web server. */
class JobOutcomesTest {
    private static final List<String> OTHER = List.of("5 20 21 22|60 61 62 63 64", "5 22 23 24|65 66 67 68 69");

    @TempDir
    Path folder;

    private SimulatedDisk disk;

    @BeforeEach
    void upload() throws IOException {
        disk = new SimulatedDisk(folder.resolve("disk"));
        disk.upload("train", PatternJobs.rows(12));
        disk.upload("valid", PatternJobs.rows(4));
        disk.upload("other", OTHER);
    }

    private SimulatedProcess process(TuningMode mode) {
        return new SimulatedProcess(disk, "digest-of-the-base", mode);
    }

    private SimulatedProcess process() {
        return process(TuningMode.ALWAYS);
    }

    private static Job succeeded(SimulatedProcess process, Map<String, Object> body) throws InterruptedException {
        return process.await(process.jobs.create(body).id(), JobState.SUCCEEDED);
    }

    private static List<Job.Metrics> history(SimulatedProcess process, String job) {
        return process.jobs.database().read(handle -> HistoryRows.metrics(handle, job));
    }

    private static double before(SimulatedProcess process, Job job) {
        return history(process, job.id()).getFirst().fullLoss().orElseThrow();
    }

    private static double after(SimulatedProcess process, Job job) {
        return history(process, job.id()).getLast().fullLoss().orElseThrow();
    }

    /** What gets worse from the start ends at its first evaluation, also where the process that measured the start is gone. */
    @Test
    void anEarlyEndComesAtTheSameStepAfterAKillBeforeTheFirstState() throws Exception {
        Map<String, Object> body =
                PatternJobs.request("train", Map.of("evaluate_every", 2, "patience", 1, "publish", "finite"));
        body.put("validation_file", "other");
        body.put("hyperparameters", Map.of("n_epochs", 20, "batch_size", 4));
        byte[] undisturbed;
        try (SimulatedProcess process = process()) {
            Job job = succeeded(process, body);
            assertThat(job.stepsDone()).isEqualTo(2);
            undisturbed = disk.adapter(job.model().orElseThrow());
        }
        String id;
        try (SimulatedProcess process = process()) {
            id = process.jobs.create(body).id();
            process.fault = () -> {
                if (!history(process, id(process)).isEmpty()) {
                    process.killAt(1);
                    throw new Killed();
                }
            };
            process.awaitDeath();
        }
        try (SimulatedProcess process = process()) {
            Job job = process.await(id, JobState.SUCCEEDED);
            assertThat(job.stepsDone()).isEqualTo(2);
            assertThat(disk.adapter(job.model().orElseThrow())).isEqualTo(undisturbed);
        }
    }

    /** The newest job. */
    private static String id(SimulatedProcess process) {
        return process.jobs
                .list(Optional.empty(), Map.of(), 1)
                .items()
                .getFirst()
                .id();
    }

    @Test
    void aJobThatGoesOnHasToBeatTheAdapterThatItStartsFrom() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = PatternJobs.request("train", Map.of());
            body.put("validation_file", "valid");
            Job first = succeeded(process, body);
            assertThat(after(process, first)).isLessThan(before(process, first) - 0.1);
            Map<String, Object> more = PatternJobs.request("train", Map.of("learning_rate", 1e-9, "publish", "finite"));
            more.put("validation_file", "valid");
            more.put("model", first.model().orElseThrow());
            Job second = succeeded(process, more);
            assertThat(before(process, second)).isCloseTo(after(process, first), within(1e-4));
            // where the base is the better one, it is the base that has to be beaten
            Map<String, Object> elsewhere =
                    PatternJobs.request("train", Map.of("learning_rate", 1e-9, "publish", "finite"));
            elsewhere.put("validation_file", "other");
            Job base = succeeded(process, elsewhere);
            elsewhere.put("model", first.model().orElseThrow());
            Job spoilt = succeeded(process, elsewhere);
            assertThat(before(process, spoilt)).isEqualTo(before(process, base));
            assertThat(after(process, spoilt)).isGreaterThan(before(process, base));
        }
    }

    @Test
    void theAdapterSaysWhatWasTrained() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> lora = new HashMap<>(Map.of("r", 9, "alpha", 6, "dropout", 0.05, "rslora", true));
            lora.put("targets", List.of("v_proj", "down_proj"));
            lora.put("plus_ratio", 4);
            Job job = succeeded(process, PatternJobs.request("train", Map.of("lora", lora)));
            Path adapter = disk.folder(job.model().orElseThrow());
            JsonNode config = new ObjectMapper()
                    .readTree(adapter.resolve("adapter_config.json").toFile());
            assertThat(config.get("r").asInt()).isEqualTo(9);
            assertThat(config.get("lora_alpha").asDouble()).isEqualTo(6);
            assertThat(config.get("use_rslora").asBoolean()).isTrue();
            assertThat(config.get("lora_dropout").asDouble()).isEqualTo(0.05);
            assertThat(config.get("target_modules"))
                    .extracting(JsonNode::asText)
                    .containsExactlyInAnyOrder("v_proj", "down_proj");
            GoldenTensors tensors = GoldenTensors.open(adapter.resolve("adapter_model.safetensors"));
            assertThat(tensors.names()).hasSize(3 * 2 * 2).allMatch(name -> name.matches(".*(v|down)_proj\\.lora_.*"));
            assertThat(tensors.shape("base_model.model.model.layers.0.mlp.down_proj.lora_A.weight")
                            .axis(0))
                    .isEqualTo(9);
        }
    }

    @Test
    void whatIsNeverToBePublishedHasNoName() throws Exception {
        try (SimulatedProcess process = process()) {
            Job job = succeeded(
                    process, PatternJobs.request("train", Map.of("publish", "never", "checkpoint_every", 100)));
            assertThat(job.model()).isEmpty();
            assertThat(disk.served()).containsExactly("ft:llama:nightshift:pattern:" + job.id() + ":ckpt-step-12");
        }
    }

    @Test
    void aJobNeedsItsFilesNoLongerOnceItWasTaken() throws Exception {
        String id;
        Map<String, Object> body = PatternJobs.request("train", Map.of());
        body.put("validation_file", "valid");
        try (SimulatedProcess process = process(TuningMode.OFF)) {
            id = process.jobs.create(body).id();
            Files.delete(disk.root.resolve("files/train"));
            Files.delete(disk.root.resolve("files/valid"));
            process.await(id, JobState.QUEUED);
        }
        try (SimulatedProcess process = process()) {
            process.await(id, JobState.SUCCEEDED);
        }
    }

    // ---- memory

    private static JobSpec spec(String method, Integer length) {
        Map<String, Object> own = new HashMap<>(Map.of("method", method));
        if (length != null) {
            own.put("max_sequence_length", length);
        }
        return JobSpecReader.read(Map.of("model", "llama", "training_file", "train", "nightshift", own), 1);
    }

    @Test
    void aSequenceLengthThatNobodyAskedForIsWhatFitsModelAndMemory() throws Exception {
        try (SimulatedProcess process = process(TuningMode.OFF)) {
            TrainableModel model = process.slice.model();
            JobSpec spec = spec("supervised", null);
            AdapterShape shape = JobPlan.shape(spec.options().lora());
            JobPlan.Fit most = JobPlan.fit(model, spec, shape, Long.MAX_VALUE);
            assertThat(most.sequenceMax())
                    .isEqualTo(Math.min(1024, model.config().maxPositions()));
            assertThat(most.capacityTokens()).isEqualTo(most.sequenceMax());
            long state = 8 * shape.parameters(model.config());
            assertThat(most.optimizerBytes()).isGreaterThan(state);
            // less memory: first activations are computed again, then state is paged, then rows are cut shorter
            int length = most.sequenceMax();
            long optimizer = most.optimizerBytes();
            for (long bytes = most.arenaBytes(); length > 64; bytes -= bytes / 100) {
                JobPlan.Fit fit = JobPlan.fit(model, spec, shape, bytes);
                assertThat(fit.arenaBytes()).isLessThanOrEqualTo(bytes);
                assertThat(fit.sequenceMax()).isLessThanOrEqualTo(length);
                if (fit.sequenceMax() < length) {
                    assertThat(optimizer).as("paged before rows are cut").isLessThan(state);
                    assertThat(fit.sequenceMax()).isEqualTo(length / 2);
                }
                length = fit.sequenceMax();
                optimizer = fit.optimizerBytes();
            }
            assertThat(JobPlan.fit(model, spec("dpo", 64), shape, Long.MAX_VALUE)
                            .capacityTokens())
                    .as("a pair's answers together")
                    .isEqualTo(128);
        }
    }

    @Test
    void aSequenceLengthThatDoesNotFitIsRefusedWithBothNumbers() throws Exception {
        try (SimulatedProcess process = process(TuningMode.OFF)) {
            TrainableModel model = process.slice.model();
            JobSpec spec = spec("supervised", 64);
            AdapterShape shape = JobPlan.shape(spec.options().lora());
            assertThatThrownBy(() -> JobPlan.fit(model, spec, shape, 1_000_000))
                    .isInstanceOf(ServingException.class)
                    .hasMessageContaining("64 tokens")
                    .hasMessageContaining("1,000,000");
        }
    }

    @Test
    void theWarmUpsFirstStepIsNotAtZero() throws Exception {
        JobSpec spec = JobSpecReader.read(
                Map.of(
                        "model",
                        "llama",
                        "training_file",
                        "train",
                        "hyperparameters",
                        Map.of("n_epochs", 10, "batch_size", 4),
                        "nightshift",
                        Map.of("learning_rate", 0.01, "schedule", "cosine", "warmup", 0.1)),
                1);
        JobPlan plan = JobPlan.of(spec, new JobPlan.Fit(64, 64, 0, 0, 0, null), 40, 1_000_000);
        assertThat(plan.steps()).isEqualTo(100);
        assertThat(plan.warmupSteps()).isEqualTo(10);
        assertThat(plan.rate(spec, 0)).isCloseTo(0.01 / 11, within(1e-9));
        assertThat(plan.rate(spec, 10)).isEqualTo(0.01);
        assertThat(plan.rate(spec, 55)).isCloseTo(0.005, within(1e-9));
    }
}
