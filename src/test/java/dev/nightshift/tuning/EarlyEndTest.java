package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a job with patience publishes, on golden/models/llama: validation rows of which one half is learnt and one unlearnt. */
class EarlyEndTest {
    private static final int EVALUATE_EVERY = 2;

    @TempDir
    Path folder;

    private SimulatedDisk disk;

    @BeforeEach
    void upload() throws IOException {
        disk = new SimulatedDisk(folder.resolve("disk"));
        disk.upload("train", PatternJobs.rows(12));
        List<String> mixed = new ArrayList<>(PatternJobs.rows(1));
        mixed.add("5 20 21 22|60 61 62 63 64");
        disk.upload("mixed", mixed);
    }

    private SimulatedProcess process() {
        return new SimulatedProcess(disk, "digest-of-the-base", TuningMode.ALWAYS);
    }

    private static Map<String, Object> request(int checkpointEvery, String rule) {
        Map<String, Object> body = PatternJobs.request(
                "train",
                Map.of(
                        "evaluate_every",
                        EVALUATE_EVERY,
                        "patience",
                        2,
                        "publish",
                        rule,
                        "checkpoint_every",
                        checkpointEvery));
        body.put("validation_file", "mixed");
        body.put("hyperparameters", Map.of("n_epochs", 20, "batch_size", 4));
        return body;
    }

    private static List<Job.Metrics> history(SimulatedProcess process, String id) {
        return process.jobs.database().read(handle -> HistoryRows.metrics(handle, id));
    }

    /** The evaluation after some training whose loss was lowest. */
    private static Job.Metrics best(SimulatedProcess process, String id) {
        return history(process, id).stream()
                .filter(row -> row.step() > 0 && row.fullLoss().isPresent())
                .min(Comparator.comparingDouble(row -> row.fullLoss().getAsDouble()))
                .orElseThrow();
    }

    private static Job.Event published(SimulatedProcess process, String id) {
        return process.jobs.events(id, Optional.empty(), 300).items().stream()
                .filter(event -> event.message().startsWith("The adapter of step"))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void publishesTheAdapterOfTheBestEvaluationAndTellsItsNumbers() throws Exception {
        try (SimulatedProcess process = process()) {
            String id = process.jobs.create(request(EVALUATE_EVERY, "better")).id();
            Job job = process.await(id, JobState.SUCCEEDED);
            Job.Metrics best = best(process, id);
            assertThat(job.stepsDone())
                    .isEqualTo(best.step() + 2 * EVALUATE_EVERY)
                    .isLessThan(60);
            String name = job.model().orElseThrow();
            assertThat(disk.adapter(name)).isEqualTo(disk.adapter(name + ":ckpt-step-" + best.step()));
            assertThat(disk.adapter(name)).isNotEqualTo(disk.adapter(name + ":ckpt-step-" + job.stepsDone()));
            double loss = best.fullLoss().orElseThrow();
            Job.Event told = published(process, id);
            assertThat(told.message())
                    .isEqualTo(String.format(
                            Locale.ROOT,
                            "The adapter of step %d is published: validation loss=%.4f",
                            best.step(),
                            loss));
            assertThat(told.data())
                    .containsEntry("step", best.step())
                    .containsEntry("valid_loss", loss)
                    .containsEntry("train_loss", best.trainLoss().orElseThrow())
                    .containsEntry(
                            "valid_loss_before",
                            history(process, id).getFirst().fullLoss().orElseThrow());
        }
    }

    /** Every state is saved, or none before the end: the best adapter was kept in the first case, and is found again in the other. */
    @Test
    void publishesTheSameBitsAfterAKillBetweenTheBestEvaluationAndTheEnd() throws Exception {
        for (int checkpointEvery : new int[] {1, 1000}) {
            byte[] undisturbed;
            int bestStep;
            try (SimulatedProcess process = process()) {
                String id =
                        process.jobs.create(request(checkpointEvery, "better")).id();
                Job job = process.await(id, JobState.SUCCEEDED);
                undisturbed = disk.adapter(job.model().orElseThrow());
                bestStep = best(process, id).step();
            }
            // within the evaluation that is not better, at the result file, at the publication
            for (String at : List.of("within", "saveResult", "publish")) {
                String id;
                try (SimulatedProcess process = process()) {
                    id = process.jobs.create(request(checkpointEvery, "better")).id();
                    process.fault = () -> killIn(process, at, bestStep);
                    process.awaitDeath();
                }
                try (SimulatedProcess process = process()) {
                    Job job = process.await(id, JobState.SUCCEEDED);
                    assertThat(disk.adapter(job.model().orElseThrow()))
                            .as("killed in %s, a state every %d steps", at, checkpointEvery)
                            .isEqualTo(undisturbed);
                    assertThat(published(process, id).data()).containsEntry("step", bestStep);
                }
            }
        }
    }

    private static void killIn(SimulatedProcess process, String method, int bestStep) {
        boolean there = Arrays.stream(new Throwable().getStackTrace())
                .anyMatch(frame -> frame.getMethodName().equals(method));
        if (there && history(process, newest(process)).getLast().step() >= bestStep) {
            process.killAt(1);
            throw new Killed();
        }
    }

    private static String newest(SimulatedProcess process) {
        return process.jobs
                .list(Optional.empty(), Map.of(), 1)
                .items()
                .getFirst()
                .id();
    }
}
