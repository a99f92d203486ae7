package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is told of a job's time, on golden/models/llama; how long a step takes is written down here. */
class JobForecasterTest {
    /** Milliseconds of a process's first steps: 50 tokens, the embedded model, two cores of an AMD EPYC. */
    private static final int[] FRESH = {
        3915, 784, 695, 374, 254, 215, 148, 154, 132, 161, 102, 130, 122, 105, 109, 103, 107, 102, 105, 75, 83, 87, 90,
        77, 113, 89, 101, 99, 101, 102, 98, 100, 98, 94, 96, 126, 95, 85, 94, 104, 103
    };

    private static final int LATER = 95;
    /** Stages of a step of four rows of ten tokens: 31 of them update a page each. */
    private static final int STAGES = 71;
    /** How far what is told may be from what is taken. */
    private static final double FACTOR = 1.5;

    @TempDir
    Path folder;

    private SimulatedDisk disk;
    private volatile long nanos;
    private volatile int steps;
    private volatile boolean updating;

    @BeforeEach
    void upload() throws IOException {
        disk = new SimulatedDisk(folder.resolve("disk"));
        disk.upload("train", PatternJobs.rows(48));
    }

    private SimulatedProcess process() {
        return new SimulatedProcess(
                disk, "digest-of-the-base", TuningMode.ALWAYS, () -> nanos, this::ran, JobRunner.TRIAL);
    }

    private void ran(String stage, long took) {
        boolean update = stage.equals("adamw");
        if (updating && !update) {
            steps++;
        }
        updating = update;
        nanos += 1_000_000L * (steps < FRESH.length ? FRESH[steps] : LATER) / STAGES;
    }

    private static Map<String, Object> request(int epochs) {
        Map<String, Object> body = PatternJobs.request("train", Map.of("publish", "finite", "checkpoint_every", 1000));
        body.put("hyperparameters", Map.of("n_epochs", epochs, "batch_size", 4));
        return body;
    }

    private static double seconds(JobForecast forecast) {
        return forecast.outlook().orElseThrow().seconds().orElseThrow();
    }

    @Test
    void theTimeToldInAFreshProcessIsThatOfCompiledSteps() throws Exception {
        try (SimulatedProcess process = process()) {
            double dry = seconds(process.jobs.check(request(15)));
            int tried = steps;
            long begun = nanos;
            String id = process.jobs.create(request(15)).id();
            Job job = process.await(id, JobState.SUCCEEDED);
            assertThat(job.stepsDone()).isEqualTo(180);
            double took = (nanos - begun) / 1e9;
            assertThat(dry).isBetween(took / FACTOR, took * FACTOR);
            assertThat((double) process.jobs.events(id, Optional.empty(), 300).items().stream()
                            .filter(event -> event.message().startsWith("Files validated"))
                            .findFirst()
                            .orElseThrow()
                            .data()
                            .get("estimated_seconds"))
                    .isBetween(took / FACTOR, took * FACTOR);
            // seconds of steps, not as many as the job's
            assertThat(tried).isBetween(20, 60);
        }
    }

    @Test
    void whatThisProcessKnowsIsToldWithoutATrial() throws Exception {
        try (SimulatedProcess process = process()) {
            double first = seconds(process.jobs.check(request(15)));
            long after = nanos;
            assertThat(seconds(process.jobs.check(request(15)))).isEqualTo(first);
            assertThat(seconds(process.jobs.check(request(30)))).isEqualTo(2 * first);
            assertThat(nanos).isEqualTo(after);
        }
    }

    @Test
    void stepsAreTriedForNoLongerThanTheJobWouldTake() throws Exception {
        try (SimulatedProcess process = process()) {
            process.jobs.check(request(1));
            assertThat(steps).isLessThanOrEqualTo(12);
        }
    }

    @Test
    void stepsThatWereTriedInVainDoNotKeepAClientWaiting() throws Exception {
        try (SimulatedProcess process = new SimulatedProcess(
                disk, "digest-of-the-base", TuningMode.ALWAYS, () -> nanos, this::ran, Duration.ofMillis(1))) {
            assertThat(seconds(process.jobs.check(request(15)))).isPositive();
            int once = steps;
            assertThat(once).isLessThan(20);
            // the next one goes on where it ended
            double told = Double.POSITIVE_INFINITY;
            for (int i = 0; i < 60; i++) {
                told = seconds(process.jobs.check(request(15)));
            }
            assertThat(told).isBetween(180 * LATER / 1e3 / FACTOR, 180 * LATER / 1e3 * FACTOR);
        }
    }
}
