package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.TrainableModel;
import dev.nightshift.train.TrainingFolder;
import dev.nightshift.train.TrainingState;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Brings what a job learnt to where it is served. Every part may be done again after a crash in its middle. */
final class Publication {
    private final FineTuneJobs jobs;
    private final Job job;
    private final TrainableModel model;
    private final AdapterShape shape;

    Publication(FineTuneJobs jobs, Job job, TrainableModel model, AdapterShape shape) {
        this.jobs = jobs;
        this.job = job;
        this.model = model;
        this.shape = shape;
    }

    /** Makes a state servable as {@code <name>:ckpt-step-N}. */
    void checkpoint(TrainingState state, Job.Metrics metrics) throws IOException {
        String alias = job.fineTunedName() + ":ckpt-step-" + metrics.step();
        if (!jobs.shelf().published(alias)) {
            Path staged = staged(state);
            jobs.shelf().publishCheckpoint(staged, alias, job.id(), jobs.clock().instant());
        }
        String id = "ftckpt_%s%06d".formatted(job.id().substring("ftjob-".length()), metrics.step());
        jobs.database().change(handle -> {
            HistoryRows.checkpoint(
                    handle, job.id(), new Job.Checkpoint(id, jobs.clock().instant(), metrics.step(), alias, metrics));
            HistoryRows.event(
                    handle,
                    job.id(),
                    jobs.message(
                            Job.Event.Level.INFO,
                            "Checkpoint created at step %d: %s".formatted(metrics.step(), alias)));
            return null;
        });
        jobs.changes().signal();
    }

    private Path staged(TrainingState state) throws IOException {
        Path staged = jobs.shelf().stage();
        TrainingFolder.writeAdapter(
                staged, model, shape, job.spec().options().lora().dropout(), state);
        return staged;
    }

    /**
     * What a job has come to.
     *
     * @param step after which it was so
     * @param validationLoss of that step, if there are validation rows
     */
    record Outcome(TrainingState state, int step, Optional<Double> validationLoss) {}

    /**
     * The end of a job: results, publishing, its last state.
     *
     * @param state of the last step
     * @param outcome what is published
     * @param refusal why the job's rule does not hold
     */
    void finish(TrainingState state, Outcome outcome, RunRecord record, Optional<String> refusal) throws IOException {
        if (jobs.get(job.id()).resultFile().isEmpty()) {
            String file =
                    jobs.files().saveResult("step_metrics.csv", record.csv().getBytes(StandardCharsets.UTF_8));
            jobs.database().change(handle -> {
                JobRows.result(handle, job.id(), file);
                return null;
            });
        }
        if (refusal.isPresent()) {
            throw new ServingException(ErrorCode.INVALID_REQUEST, "not published, by the job's rule: " + refusal.get());
        }
        checkpoint(state, record.metrics());
        Map<String, Double> evaluation = evaluation(record.history(), outcome.step());
        boolean publish = job.spec().options().publish() != PublishRule.NEVER;
        if (publish && !jobs.shelf().published(job.fineTunedName())) {
            jobs.shelf()
                    .publish(
                            staged(outcome.state()),
                            job.adapterName(),
                            job.fineTunedName(),
                            job.id(),
                            jobs.clock().instant(),
                            evaluation);
        }
        succeed(publish, outcome, evaluation);
    }

    private static Map<String, Double> evaluation(List<Job.Metrics> history, int step) {
        Map<String, Double> evaluation = new LinkedHashMap<>();
        history.stream()
                .filter(row -> row.step() == 0)
                .findFirst()
                .ifPresent(row -> row.fullLoss().ifPresent(loss -> evaluation.put("valid_loss_before", loss)));
        history.stream().filter(row -> row.step() == step).findFirst().ifPresent(row -> {
            row.fullLoss().ifPresent(loss -> evaluation.put("valid_loss", loss));
            row.trainLoss().ifPresent(loss -> evaluation.put("train_loss", loss));
        });
        return evaluation;
    }

    private void succeed(boolean published, Outcome outcome, Map<String, Double> evaluation) {
        Map<String, Object> numbers = new LinkedHashMap<>(evaluation);
        numbers.put("step", outcome.step());
        jobs.database().change(handle -> {
            if (JobRows.move(
                    handle,
                    job.id(),
                    JobState.RUNNING,
                    JobState.SUCCEEDED,
                    jobs.clock().instant())) {
                if (published) {
                    JobRows.model(handle, job.id(), job.fineTunedName());
                    outcome.validationLoss()
                            .ifPresent(loss -> HistoryRows.event(
                                    handle,
                                    job.id(),
                                    jobs.message(
                                            Job.Event.Level.INFO,
                                            "The adapter of step %d is published: validation loss=%.4f"
                                                    .formatted(outcome.step(), loss),
                                            numbers)));
                    HistoryRows.event(
                            handle,
                            job.id(),
                            jobs.message(Job.Event.Level.INFO, "New fine-tuned model created: " + job.fineTunedName()));
                }
                HistoryRows.event(
                        handle, job.id(), jobs.message(Job.Event.Level.INFO, "The job has successfully completed"));
            }
            return null;
        });
        jobs.changes().signal();
    }
}
