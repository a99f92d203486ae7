package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole jobs on golden/models/llama, without a web server. */
class JobRunnerTest {
    private static final String DIGEST = "digest-of-the-base";

    @TempDir
    Path folder;

    private SimulatedDisk disk;

    @BeforeEach
    void upload() throws IOException {
        disk = new SimulatedDisk(folder.resolve("disk"));
        disk.upload("train", PatternJobs.rows(12));
        disk.upload("valid", PatternJobs.rows(4));
        disk.upload("pairs", pairs(10));
    }

    private static List<String> pairs(int count) {
        return PatternJobs.rows(count, 9).stream()
                .map(row -> row + "|60 61 62 63 2")
                .toList();
    }

    private static Map<String, Object> request(String file) {
        Map<String, Object> body = new HashMap<>();
        body.put("model", "llama");
        body.put("training_file", file);
        body.put("suffix", "pattern");
        body.put("seed", 11);
        body.put("hyperparameters", Map.of("n_epochs", 3, "batch_size", 4));
        body.put("nightshift", nightshift());
        return body;
    }

    private static Map<String, Object> nightshift() {
        Map<String, Object> own = new HashMap<>();
        own.put("lora", Map.of("r", 4, "alpha", 8, "dropout", 0.1));
        own.put("learning_rate", 0.01);
        own.put("checkpoint_every", 3);
        own.put("max_sequence_length", 64);
        return own;
    }

    /** A job's folder is deleted after its end is committed, so that a crash between the two loses nothing. */
    private static void awaitGone(Path folder) throws InterruptedException {
        await(folder + " deleted", () -> !Files.exists(folder));
    }

    private static void await(String what, BooleanSupplier holds) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!holds.getAsBoolean()) {
            assertThat(System.nanoTime()).as("%s within 10 s", what).isLessThan(end);
            Thread.sleep(5);
        }
    }

    @Test
    void trainsPublishesAndTellsAboutIt() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = request("train");
            body.put("validation_file", "valid");
            String id = process.jobs.create(body).id();
            Job job = process.await(id, JobState.SUCCEEDED);
            assertThat(job.model()).contains("ft:llama:nightshift:pattern:" + id);
            assertThat(job.numbers().orElseThrow().steps()).isEqualTo(9);
            assertThat(job.trainedTokens()).isEqualTo(3 * 12 * 10);
            assertThat(job.stepsDone()).isEqualTo(9);
            String name = job.model().orElseThrow();
            assertThat(disk.served())
                    .containsExactly(name, name + ":ckpt-step-3", name + ":ckpt-step-6", name + ":ckpt-step-9");
            List<Job.Checkpoint> checkpoints =
                    process.jobs.checkpoints(id, Optional.empty(), 10).items();
            assertThat(checkpoints).extracting(Job.Checkpoint::step).containsExactly(9, 6, 3);
            Path result = disk.root.resolve("files").resolve(job.resultFile().orElseThrow());
            List<String> csv = Files.readAllLines(result);
            assertThat(csv).hasSize(11);
            assertThat(csv.get(0))
                    .isEqualTo("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,"
                            + "train_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy");
            double before = Double.parseDouble(csv.get(1).split(",", -1)[6]);
            double after = Double.parseDouble(csv.get(10).split(",", -1)[6]);
            assertThat(after).isLessThan(before);
            assertThat(process.jobs.events(id, Optional.empty(), 100).items())
                    .extracting(Job.Event::message)
                    .contains("Created fine-tuning job: " + id, "The job has successfully completed")
                    .anyMatch(text -> text.startsWith("Step 9/9: training loss="));
            await("blocks given back", () -> process.seat.lent == 0);
            awaitGone(process.jobs.folders().of(id));
        }
    }

    @Test
    void endsWithTheSameBitsAfterKillsAtRandomMoments() throws Exception {
        byte[] undisturbed;
        int operations;
        try (SimulatedProcess process = process()) {
            int before = process.operations.get();
            String id = process.jobs.create(request("train")).id();
            Job job = process.await(id, JobState.SUCCEEDED);
            operations = process.operations.get() - before;
            undisturbed = disk.adapter(job.model().orElseThrow());
        }
        long seed = System.nanoTime();
        System.out.println("kill points from seed " + seed);
        Random random = new Random(seed);
        String id;
        try (SimulatedProcess process = process()) {
            id = process.jobs.create(request("train")).id();
            process.killAt(process.operations.get() + 1 + random.nextInt(operations / 2));
            process.awaitDeath();
        }
        // together not as far as the job goes
        for (int kill = 0; kill < 2; kill++) {
            try (SimulatedProcess process = process().killAt(1 + random.nextInt(operations / 5))) {
                process.awaitDeath();
            }
        }
        try (SimulatedProcess process = process()) {
            Job job = process.await(id, JobState.SUCCEEDED);
            assertThat(Arrays.equals(disk.adapter(job.model().orElseThrow()), undisturbed))
                    .as("same bits")
                    .isTrue();
            assertThat(process.jobs.checkpoints(id, Optional.empty(), 10).items())
                    .extracting(Job.Checkpoint::step)
                    .containsExactly(9, 6, 3);
        }
    }

    @Test
    void aKillBetweenTheLastStepAndTheEndLosesNoNumber() throws Exception {
        String id;
        try (SimulatedProcess process = process()) {
            id = process.jobs.create(request("train")).id();
            process.fault = () -> {
                // the first thing after the state of the last step is saved: the result file
                if (Arrays.stream(new Throwable().getStackTrace())
                        .anyMatch(frame -> frame.getMethodName().equals("saveResult"))) {
                    process.killAt(1);
                    throw new Killed();
                }
            };
            process.awaitDeath();
        }
        try (SimulatedProcess process = process()) {
            process.await(id, JobState.SUCCEEDED);
            assertThat(process.jobs.checkpoints(id, Optional.empty(), 10).items())
                    .extracting(Job.Checkpoint::step)
                    .containsExactly(9, 6, 3);
        }
    }

    @Test
    void givesItsMemoryBackToChatAndLosesNothing() throws Exception {
        byte[] undisturbed;
        List<Job.Metrics> history;
        try (SimulatedProcess process = process()) {
            Job job = process.await(process.jobs.create(request("train")).id(), JobState.SUCCEEDED);
            history = history(process, job.id());
            undisturbed = disk.adapter(job.model().orElseThrow());
        }
        try (SimulatedProcess process = process()) {
            String id = process.jobs.create(request("train")).id();
            process.await(id, JobState.RUNNING);
            for (int i = 0; i < 4; i++) {
                process.seat.starved = true;
                while (process.slice.resident()) {
                    Thread.sleep(1);
                }
                assertThat(process.seat.lent).isZero();
                process.seat.starved = false;
                Thread.sleep(15);
            }
            Job job = process.await(id, JobState.SUCCEEDED);
            assertThat(process.seat.evictions).isGreaterThan(1);
            assertThat(history(process, id)).isEqualTo(history);
            assertThat(Arrays.equals(disk.adapter(job.model().orElseThrow()), undisturbed))
                    .as("same bits")
                    .isTrue();
        }
    }

    @Test
    void pausedJobKeepsWhatItLearntAndGoesOn() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = request("train");
            body.put("hyperparameters", Map.of("n_epochs", 40, "batch_size", 4));
            String id = process.jobs.create(body).id();
            process.await(id, JobState.RUNNING);
            assertThat(process.jobs.pause(id).state()).isEqualTo(JobState.PAUSED);
            while (process.slice.resident()) {
                Thread.sleep(1);
            }
            assertThatThrownBy(() -> process.jobs.pause(id))
                    .isInstanceOfSatisfying(
                            ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CONFLICT));
            assertThat(process.jobs.resume(id).state()).isEqualTo(JobState.QUEUED);
            process.await(id, JobState.RUNNING);
            assertThat(process.jobs.cancel(id).state()).isEqualTo(JobState.CANCELLED);
            assertThatThrownBy(() -> process.jobs.resume(id)).isInstanceOf(ServingException.class);
        }
    }

    @Test
    void aCancelThatMeetsAnotherMoveComesAfterIt() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = request("train");
            body.put("hyperparameters", Map.of("n_epochs", 40, "batch_size", 4));
            String id = process.jobs.create(body).id();
            process.await(id, JobState.RUNNING);
            FutureTask<Job> cancel = new FutureTask<>(() -> process.jobs.cancel(id));
            process.jobs.database().change(handle -> {
                assertThat(JobRows.move(handle, id, JobState.RUNNING, JobState.PAUSED, Instant.now()))
                        .isTrue();
                // it sees a running job, and waits for this row
                Thread.ofVirtual().start(cancel);
                LockSupport.parkNanos(Duration.ofMillis(300).toNanos());
                return null;
            });
            assertThat(cancel.get(10, TimeUnit.SECONDS).state()).isEqualTo(JobState.CANCELLED);
        }
    }

    @Test
    void higherPriorityGoesFirstAndTheOtherGoesOnAfterIt() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> longOne = request("train");
            longOne.put("hyperparameters", Map.of("n_epochs", 40, "batch_size", 4));
            String patient = process.jobs.create(longOne).id();
            process.await(patient, JobState.RUNNING);
            Map<String, Object> urgent = request("train");
            Map<String, Object> own = nightshift();
            own.put("priority", 5);
            urgent.put("nightshift", own);
            String first = process.jobs.create(urgent).id();
            process.await(first, JobState.SUCCEEDED);
            assertThat(process.jobs.get(patient).state()).isNotEqualTo(JobState.SUCCEEDED);
            process.await(patient, JobState.SUCCEEDED);
        }
    }

    @Test
    void prefersTheBetterAnswerAfterDpo() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = request("pairs");
            body.put("method", Map.of("type", "dpo"));
            Map<String, Object> own = nightshift();
            own.put("held_out", 0.2);
            own.put("evaluate_every", 2);
            own.put("lora", Map.of("r", 4, "alpha", 8));
            body.put("nightshift", own);
            // ten rows, two of them held out
            Job job = process.await(process.jobs.create(body).id(), JobState.SUCCEEDED);
            assertThat(job.numbers().orElseThrow().beta()).isEqualTo(0.1);
            List<Job.Event> events =
                    process.jobs.events(job.id(), Optional.empty(), 100).items();
            // without an adapter both answers are equally preferred: ln 2
            assertThat(events).extracting(Job.Event::message).contains("Before training: validation loss=0.6931");
        }
    }

    // ---- faults

    @Test
    void aChangedBaseModelFailsTheJobWithBothDigests() throws Exception {
        String id;
        try (SimulatedProcess process = process(DIGEST, TuningMode.OFF)) {
            id = process.jobs.create(request("train")).id();
            process.await(id, JobState.QUEUED);
        }
        try (SimulatedProcess process = process("another", TuningMode.ALWAYS)) {
            Job job = process.await(id, JobState.FAILED);
            assertThat(job.error().orElseThrow().message()).contains(DIGEST, "another");
        }
    }

    @Test
    void aLossThatIsNoNumberFailsTheJobAndTheNextOneRuns() throws Exception {
        try (SimulatedProcess process = process()) {
            Map<String, Object> body = request("train");
            Map<String, Object> own = nightshift();
            own.put("learning_rate", 1);
            own.put("max_grad_norm", 0);
            body.put("hyperparameters", Map.of("n_epochs", 50, "batch_size", 4, "learning_rate_multiplier", 1e6));
            body.put("nightshift", own);
            Job failed = process.await(process.jobs.create(body).id(), JobState.FAILED);
            assertThat(failed.error().orElseThrow().message()).containsAnyOf("NaN", "Infinity");
            process.await(process.jobs.create(request("train")).id(), JobState.SUCCEEDED);
        }
    }

    @Test
    void aFullDiskFailsTheJobWithItsReason() throws Exception {
        try (SimulatedProcess process = process()) {
            String id = process.jobs.create(request("train")).id();
            process.fault = () -> {
                if (Thread.currentThread().getName().equals("nightshift-tuning")
                        && process.jobs.get(id).stepsDone() >= 9) {
                    process.fault = () -> {};
                    throw new ServingException(ErrorCode.INSUFFICIENT_STORAGE, "the disk of nightshift.data is full");
                }
            };
            Job job = process.await(id, JobState.FAILED);
            assertThat(job.error().orElseThrow().message()).contains("disk");
            assertThat(job.error().orElseThrow().code()).isEqualTo("insufficient_storage");
        }
    }

    @Test
    void tooFewRowsAndUnreadableFilesFailInValidation() throws Exception {
        disk.upload("few", PatternJobs.rows(9, 1));
        disk.upload("broken", List.of("1 2|x"));
        try (SimulatedProcess process = process()) {
            Job few = process.await(process.jobs.create(request("few")).id(), JobState.FAILED);
            assertThat(few.error().orElseThrow().message()).contains("9 rows", "10");
            assertThat(few.error().orElseThrow().param()).contains("training_file");
            process.await(process.jobs.create(request("broken")).id(), JobState.FAILED);
            assertThatThrownBy(() -> process.jobs.create(request("missing"))).hasMessageContaining("missing");
        }
    }

    @Test
    void listsPagesUntilTheyAreEmpty() throws Exception {
        try (SimulatedProcess process = process(DIGEST, TuningMode.OFF)) {
            List<String> created = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                Map<String, Object> body = request("train");
                body.put("metadata", Map.of("team", i % 2 == 0 ? "even" : "odd"));
                created.addFirst(process.jobs.create(body).id());
            }
            List<String> listed = new ArrayList<>();
            Optional<String> after = Optional.empty();
            Job.Page<Job> page;
            do {
                page = process.jobs.list(after, Map.of(), 2);
                page.items().forEach(job -> listed.add(job.id()));
                after = Optional.of(listed.getLast());
            } while (page.more());
            assertThat(listed).isEqualTo(created);
            assertThat(process.jobs.list(after, Map.of(), 2).items()).isEmpty();
            assertThat(process.jobs
                            .list(Optional.empty(), Map.of("team", "odd"), 20)
                            .items())
                    .hasSize(2);
        }
    }

    @Test
    void eventsAndCheckpointsPageToTheirEnd() throws Exception {
        try (SimulatedProcess process = process()) {
            String id = process.jobs.create(request("train")).id();
            process.await(id, JobState.SUCCEEDED);
            List<String> whole = process.jobs.events(id, Optional.empty(), 100).items().stream()
                    .map(Job.Event::id)
                    .toList();
            List<String> paged = new ArrayList<>();
            Optional<String> after = Optional.empty();
            Job.Page<Job.Event> page;
            do {
                page = process.jobs.events(id, after, 2);
                page.items().forEach(event -> paged.add(event.id()));
                after = Optional.of(paged.getLast());
            } while (page.more());
            assertThat(paged).isEqualTo(whole).hasSizeGreaterThan(9).doesNotHaveDuplicates();
            assertThat(process.jobs.events(id, after, 2).items()).isEmpty();
            Job.Page<Job.Checkpoint> first = process.jobs.checkpoints(id, Optional.empty(), 2);
            assertThat(first.more()).isTrue();
            Optional<String> last = Optional.of(first.items().getLast().id());
            assertThat(process.jobs.checkpoints(id, last, 2).items())
                    .extracting(Job.Checkpoint::step)
                    .containsExactly(3);
        }
    }

    @Test
    void aCopyThatCannotBeReadFailsTheJobAndTheNextOneRuns() throws Exception {
        String id;
        try (SimulatedProcess process = process(DIGEST, TuningMode.OFF)) {
            id = process.jobs.create(request("train")).id();
            process.await(id, JobState.QUEUED);
        }
        // what the disk lost while the server was down
        try (Stream<Path> files = Files.list(disk.jobs().resolve(id))) {
            for (Path file :
                    files.filter(name -> name.toString().endsWith(".jsonl")).toList()) {
                Files.delete(file);
            }
        }
        try (SimulatedProcess process = process()) {
            Job failed = process.await(id, JobState.FAILED);
            assertThat(failed.error().orElseThrow().message()).contains(".jsonl");
            process.await(process.jobs.create(request("train")).id(), JobState.SUCCEEDED);
        }
    }

    @Test
    void aJobKilledWhileItsFirstStateWasWrittenBeginsAgain() throws Exception {
        String id;
        try (SimulatedProcess process = process(DIGEST, TuningMode.OFF)) {
            id = process.jobs.create(request("train")).id();
            process.await(id, JobState.QUEUED);
        }
        Path state = Files.createDirectory(disk.jobs().resolve(id).resolve("state"));
        Files.write(state.resolve(".state.safetensors1.tmp"), new byte[100]);
        try (SimulatedProcess process = process()) {
            process.await(id, JobState.SUCCEEDED);
        }
    }

    private static List<Job.Metrics> history(SimulatedProcess process, String id) {
        return process.jobs.database().read(handle -> HistoryRows.metrics(handle, id));
    }

    private SimulatedProcess process() {
        return process(DIGEST, TuningMode.ALWAYS);
    }

    private SimulatedProcess process(String digest, TuningMode mode) {
        return new SimulatedProcess(disk, digest, mode);
    }
}
