package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What jobs can be asked to do, on golden/models/llama, without a web server. */
class JobVarietiesTest {
    /** An adapter at a learning rate of 1e-9 changes no loss by more. */
    private static final double LOSS = 1e-4;

    @TempDir
    Path folder;

    private SimulatedDisk disk;

    @BeforeEach
    void upload() throws IOException {
        disk = new SimulatedDisk(folder.resolve("disk"));
        disk.upload("train", PatternJobs.rows(12));
        disk.upload("valid", PatternJobs.rows(4));
    }

    private SimulatedProcess process() {
        return new SimulatedProcess(disk, "digest-of-the-base", TuningMode.ALWAYS);
    }

    private static Job succeeded(SimulatedProcess process, Map<String, Object> body) throws InterruptedException {
        return process.await(process.jobs.create(body).id(), JobState.SUCCEEDED);
    }

    private static List<Job.Metrics> history(SimulatedProcess process, Job job) {
        return process.jobs.database().read(handle -> HistoryRows.metrics(handle, job.id()));
    }

    private static List<String> messages(SimulatedProcess process, Job job) {
        return process.jobs.events(job.id(), Optional.empty(), 100).items().stream()
                .map(Job.Event::message)
                .toList();
    }

    private static double loss(Job.Metrics metrics) {
        return metrics.trainLoss().orElseThrow();
    }

    @Test
    void orpoLearnsTheBetterAnswerWithoutAReference() throws Exception {
        disk.upload(
                "pairs",
                PatternJobs.rows(12).stream().map(row -> row + "|60 61 62 63 2").toList());
        try (SimulatedProcess process = process()) {
            Job job = succeeded(process, PatternJobs.request("pairs", Map.of("method", "orpo", "held_out", 0.2)));
            assertThat(job.spec().method()).isEqualTo(TuningMethod.ORPO);
            List<Job.Metrics> history = history(process, job);
            assertThat(loss(history.getLast())).isLessThan(loss(history.get(1)));
            assertThat(history.getLast().fullLoss().orElseThrow())
                    .isLessThan(history.getFirst().fullLoss().orElseThrow());
        }
    }

    @Test
    void ktoLearnsFromAnswersMarkedGoodOrBad() throws Exception {
        List<String> rated = new ArrayList<>(
                PatternJobs.rows(8).stream().map(row -> row + "|good").toList());
        PatternJobs.rows(8).forEach(row -> rated.add(row.substring(0, row.indexOf('|')) + "|60 61 62 63 2|bad"));
        disk.upload("rated", rated);
        try (SimulatedProcess process = process()) {
            Job job = succeeded(process, PatternJobs.request("rated", Map.of("method", "kto", "held_out", 0.25)));
            List<Job.Metrics> history = history(process, job);
            // without an adapter every answer's value is a sigmoid of zero
            assertThat(loss(history.get(1))).isBetween(0.49, 0.51);
            assertThat(loss(history.getLast())).isLessThan(0.47);
            assertThat(history.getFirst().fullLoss().orElseThrow()).isBetween(0.49, 0.51);
            assertThat(history.getLast().fullLoss().orElseThrow()).isLessThan(0.49);
        }
    }

    @Test
    void aJobGoesOnFromAnAdapterAndFromAFineTunedName() throws Exception {
        try (SimulatedProcess process = process()) {
            Job first = succeeded(process, PatternJobs.request("train", Map.of()));
            double reached = loss(history(process, first).getLast());
            double began = loss(history(process, first).getFirst());
            for (String from :
                    List.of(first.model().orElseThrow(), first.model().orElseThrow() + ":ckpt-step-12")) {
                Map<String, Object> body = PatternJobs.request("train", Map.of("learning_rate", 0.001));
                body.put("model", from);
                body.put("suffix", "further");
                Job second = succeeded(process, body);
                assertThat(second.model().orElseThrow()).startsWith("ft:llama:nightshift:further:");
                assertThat(loss(history(process, second).getFirst())).isLessThan((began + reached) / 2);
            }
            Map<String, Object> unknown = PatternJobs.request("train", Map.of());
            unknown.put("model", "nobody");
            assertThatThrownBy(() -> process.jobs.create(unknown))
                    .isInstanceOf(ServingException.class)
                    .hasMessageContaining("nobody");
        }
    }

    @Test
    void evaluatesEverySoManyStepsAndEndsWhenNothingGetsBetter() throws Exception {
        // what the training makes less likely
        disk.upload("other", List.of("5 20 21 22|60 61 62 63 64", "5 22 23 24|65 66 67 68 69"));
        try (SimulatedProcess process = process()) {
            Map<String, Object> body =
                    PatternJobs.request("train", Map.of("evaluate_every", 2, "patience", 2, "publish", "finite"));
            body.put("validation_file", "other");
            body.put("hyperparameters", Map.of("n_epochs", 20, "batch_size", 4));
            Job job = succeeded(process, body);
            assertThat(job.numbers().orElseThrow().steps()).isEqualTo(60);
            assertThat(job.stepsDone()).isBetween(4, 20).matches(steps -> steps % 2 == 0);
            List<Job.Metrics> history = history(process, job);
            assertThat(history)
                    .filteredOn(row -> row.step() > 0 && row.step() % 2 == 0)
                    .allMatch(row -> row.validLoss().isPresent());
            assertThat(history)
                    .filteredOn(row -> row.step() % 2 == 1)
                    .allMatch(row -> row.validLoss().isEmpty());
            assertThat(messages(process, job)).anyMatch(text -> text.startsWith("Step 2/60: validation loss="));
        }
    }

    @Test
    void whatGotWorseFailsWithBothLossesAndIsNotServed() throws Exception {
        // what the training makes less likely
        disk.upload("other", List.of("5 20 21 22|60 61 62 63 64", "5 22 23 24|65 66 67 68 69"));
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = PatternJobs.request("train", Map.of());
            body.put("validation_file", "other");
            Job job = process.await(process.jobs.create(body).id(), JobState.FAILED);
            double before = history(process, job).getFirst().fullLoss().orElseThrow();
            assertThat(job.error().orElseThrow().message())
                    .contains("validation loss", String.format(Locale.ROOT, "%.4f", before));
            assertThat(job.model()).isEmpty();
            assertThat(disk.served()).doesNotContain("ft:llama:nightshift:pattern:" + job.id());
        }
    }

    @Test
    void severalFilesAreMixedByTheirWeights() throws Exception {
        disk.upload("more", PatternJobs.rows(11));
        try (SimulatedProcess process = process()) {
            Job job = succeeded(
                    process, PatternJobs.request("train", Map.of("files", List.of(Map.of("id", "more", "weight", 1)))));
            assertThat(job.numbers().orElseThrow().steps()).isEqualTo(4 * 6);
            assertThat(job.trainedTokens()).isEqualTo(4 * 23 * 10);
        }
    }

    /** Four rows of each of three lengths; those of a length are alike. */
    private void uploadOfThreeLengths() throws IOException {
        List<String> rows = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            rows.add("5 20 21|60 2");
            rows.add("5 20 21 22 23 24 25 26|7 8 9 61 62 2");
            rows.add("5 27 26 25 24 23 22 21 20 30 31 32 33|9 8 7 6 63 64 65 66 67 2");
        }
        disk.upload("lengths", rows);
    }

    /** Losses of an epoch's steps, sorted, of a job that learns next to nothing. */
    private static List<Double> losses(SimulatedProcess process, int batchSize, boolean grouped) throws Exception {
        Map<String, Object> body = PatternJobs.request(
                "lengths",
                Map.of("group_by_length", grouped, "packing", false, "learning_rate", 1e-9, "publish", "finite"));
        body.put("hyperparameters", Map.of("n_epochs", 1, "batch_size", batchSize));
        return history(process, succeeded(process, body)).stream()
                .map(JobVarietiesTest::loss)
                .sorted()
                .toList();
    }

    @Test
    void groupingByLengthTakesTheSameRowsInStepsOfOneLength() throws Exception {
        uploadOfThreeLengths();
        try (SimulatedProcess process = process()) {
            List<Double> alone = losses(process, 1, false);
            List<Double> ofLengths = List.of(alone.getFirst(), alone.get(alone.size() / 2), alone.getLast());
            assertThat(ofLengths.get(1) - ofLengths.get(0)).isGreaterThan(0.01);
            assertThat(ofLengths.get(2) - ofLengths.get(1)).isGreaterThan(0.01);
            assertThat(alone)
                    .hasSize(12)
                    .allSatisfy(loss -> assertThat(ofLengths)
                            .anySatisfy(of -> assertThat(loss).isCloseTo(of, within(LOSS))));
            List<Double> groupedAlone = losses(process, 1, true);
            for (int i = 0; i < alone.size(); i++) {
                assertThat(groupedAlone.get(i)).isCloseTo(alone.get(i), within(LOSS));
            }
            List<Double> grouped = losses(process, 4, true);
            for (int i = 0; i < ofLengths.size(); i++) {
                assertThat(grouped.get(i)).isCloseTo(ofLengths.get(i), within(LOSS));
            }
            assertThat(losses(process, 4, false))
                    .anySatisfy(loss -> assertThat(ofLengths)
                            .allSatisfy(of -> assertThat(Math.abs(loss - of)).isGreaterThan(10 * LOSS)));
        }
    }

    @Test
    void aJobGroupedByLengthGivesTheSameAdapterTwice() throws Exception {
        uploadOfThreeLengths();
        List<byte[]> adapters = new ArrayList<>();
        try (SimulatedProcess process = process()) {
            for (boolean grouped : new boolean[] {true, true, false}) {
                Map<String, Object> body = PatternJobs.request("lengths", Map.of("group_by_length", grouped));
                adapters.add(disk.adapter(succeeded(process, body).model().orElseThrow()));
            }
        }
        assertThat(adapters.get(1)).isEqualTo(adapters.get(0)).isNotEqualTo(adapters.get(2));
    }

    @Test
    void aForecastComesTrue() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = PatternJobs.request("train", Map.of());
            body.put("validation_file", "valid");
            JobForecast.Outlook told = process.jobs.check(body).outlook().orElseThrow();
            assertThat(told.seconds().orElseThrow()).isPositive();
            assertThat(told.validationRows()).isEqualTo(4);
            assertThat(told.memory().layersKept()).isEqualTo(told.memory().layers());
            Job job = succeeded(process, body);
            assertThat(job.stepsDone()).isEqualTo(told.numbers().steps());
            assertThat(job.trainedTokens()).isEqualTo(told.trainedTokens());
            Job.Event summary = process.jobs.events(job.id(), Optional.empty(), 100).items().stream()
                    .filter(event -> event.message().startsWith("Files validated"))
                    .findFirst()
                    .orElseThrow();
            assertThat(summary.message())
                    .contains("12 rows, 4 for validation, 120 tokens", "12 steps", " of the device");
            assertThat(summary.data()).containsEntry("total_steps", 12).containsKey("estimated_seconds");
            // a job's folder is deleted after its end is committed
            Path left = disk.jobs().resolve(job.id());
            for (int i = 0; i < 1000 && Files.exists(left); i++) {
                Thread.sleep(10);
            }
            assertThat(disk.jobs()).isEmptyDirectory();
        }
    }
}
