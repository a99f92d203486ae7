package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.TrainableModel;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Works through the jobs on two threads of its own: one reads and checks the files of new jobs, one trains, one job at a time.
 * What a kill interrupted goes on when the next process starts.
 */
public final class JobRunner implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(JobRunner.class.getName());
    /** How often windows and modes are looked at while a job waits for its time. */
    private static final Duration LOOK = Duration.ofSeconds(1);

    /** Fewer rows teach nothing that can be told from noise; OpenAI's limit. */
    private static final int ROWS_MIN = 10;

    private final FineTuneJobs jobs;
    private final TrainingSlice slice;
    private final SampleReader reader;
    private final TuningRules rules;
    private final RunLimits limits;
    private final Thread files;
    private final Thread training;
    private volatile boolean closed;

    /**
     * What jobs may take.
     *
     * @param arenaBytesMax memory borrowed from the key-value cache at most
     * @param keepTokens tokens that the cache must always have room for beside it
     * @param saveEvery how much work a crash may cost
     */
    public record RunLimits(long arenaBytesMax, int keepTokens, Duration saveEvery) {}

    public JobRunner(FineTuneJobs jobs, TrainingSlice slice, SampleReader reader, TuningRules rules, RunLimits limits) {
        this.jobs = jobs;
        this.slice = slice;
        this.reader = reader;
        this.rules = rules;
        this.limits = limits;
        this.files =
                Thread.ofPlatform().name("nightshift-tuning-files").daemon().unstarted(() -> loop(this::readNext));
        this.training = Thread.ofPlatform().name("nightshift-tuning").daemon().unstarted(() -> loop(this::trainNext));
    }

    /** Once the model is attached. */
    public void start() {
        try {
            Set<String> known = new HashSet<>(jobs.database()
                    .read(handle -> handle.createQuery("select id from tuning_job where finished_at is null")
                            .mapTo(String.class)
                            .list()));
            jobs.folders().deleteOthers(known);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, "what earlier jobs left can''t be deleted: {0}", e.toString());
        }
        files.start();
        training.start();
    }

    /** Takes the next thing to do; false if there is none. */
    private interface Turn {
        boolean take() throws InterruptedException;
    }

    private void loop(Turn turn) {
        try {
            while (!closed) {
                long seen = jobs.changes().count();
                if (!turn.take()) {
                    jobs.changes().await(seen, LOOK);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- files of new jobs

    private boolean readNext() {
        Optional<JobRows.Row> next = jobs.database().read(JobRows::unread);
        next.ifPresent(row -> {
            try {
                read(row.job());
            } catch (ServingException e) {
                fail(row.job(), e);
            } catch (RuntimeException e) {
                LOG.log(
                        System.Logger.Level.ERROR,
                        "the files of job " + row.job().id() + " could not be read",
                        e);
                fail(row.job(), internal(e));
            }
        });
        return next.isPresent();
    }

    private void read(Job job) {
        TrainableModel model = slice.model();
        JobSpec spec = job.spec();
        Path folder = jobs.folders().of(job.id());
        AdapterShape shape = JobRun.shape(spec, model, folder);
        JobPlan.Fit fit = JobPlan.fit(model, spec, shape, arenaBytesMax(model));
        SampleReader.Samples samples = reader.read(JobRun.sources(spec, folder), spec, fit.sequenceMax());
        if (samples.rows().size() < ROWS_MIN) {
            throw ServingException.invalid(
                    "training_file",
                    "training_file: %d rows to learn from, at least %d are needed"
                            .formatted(samples.rows().size(), ROWS_MIN));
        }
        JobRun.Rows rows = JobRun.rows(reader, spec, folder, samples, fit.sequenceMax());
        JobPlan plan = JobPlan.of(spec, fit, rows.training().size(), model.parameterCount());
        jobs.database().change(handle -> {
            if (JobRows.move(
                    handle,
                    job.id(),
                    JobState.VALIDATING_FILES,
                    JobState.QUEUED,
                    jobs.clock().instant())) {
                JobRows.plan(handle, job.id(), plan);
                List<String> notes = samples.notes();
                notes.forEach(note -> HistoryRows.event(handle, job.id(), jobs.message(Job.Event.Level.WARN, note)));
                HistoryRows.event(
                        handle,
                        job.id(),
                        jobs.message(
                                Job.Event.Level.INFO,
                                "Files validated, the job is queued: %d rows, %d for validation, %d epochs, %d steps"
                                        .formatted(
                                                plan.rows(), rows.validation().size(), plan.epochs(), plan.steps())));
            }
            return null;
        });
        jobs.changes().signal();
    }

    private long arenaBytesMax(TrainableModel model) {
        int keep = Math.ceilDiv(limits.keepTokens(), model.kv().layout().blockTokens());
        long lendable = Math.max(0, model.blockCount() - keep) * model.blockBytes();
        return Math.min(limits.arenaBytesMax(), lendable);
    }

    // ---- training

    private boolean trainNext() throws InterruptedException {
        Optional<JobRows.Row> next = jobs.database().read(JobRows::turn);
        if (next.isEmpty() || rules.grant(jobs.clock().instant(), TuningRules.Load.IDLE) == TuningRules.Grant.NONE) {
            return false;
        }
        Job job = next.get().job();
        if (job.state() == JobState.QUEUED && !begin(job)) {
            return true; // a client was faster
        }
        try {
            new JobRun(jobs, slice, reader, next.get(), limits.saveEvery()).run(() -> closed);
            if (jobs.get(job.id()).state().ended()) {
                jobs.folders().clear(job.id());
            }
        } catch (ServingException e) {
            fail(job, e);
        } catch (IOException e) {
            fail(job, JobFolders.failure("a file of the job", e));
        } catch (RuntimeException e) {
            LOG.log(System.Logger.Level.ERROR, "job " + job.id() + " failed", e);
            fail(job, internal(e));
        }
        return true;
    }

    private boolean begin(Job job) {
        return jobs.database().change(handle -> {
            boolean moved = JobRows.move(
                    handle,
                    job.id(),
                    JobState.QUEUED,
                    JobState.RUNNING,
                    jobs.clock().instant());
            if (moved) {
                HistoryRows.event(handle, job.id(), jobs.message(Job.Event.Level.INFO, "Fine-tuning job started"));
            }
            return moved;
        });
    }

    private static ServingException internal(RuntimeException e) {
        return new ServingException(ErrorCode.INTERNAL, "internal error; the server's log has the reason: " + e, e);
    }

    /** The job ends with its reason; chat never notices. */
    private void fail(Job job, ServingException reason) {
        try {
            jobs.database().change(handle -> {
                JobState state =
                        JobRows.find(handle, job.id()).orElseThrow().job().state();
                if (!state.next().contains(JobState.FAILED)
                        || !JobRows.move(
                                handle,
                                job.id(),
                                state,
                                JobState.FAILED,
                                jobs.clock().instant())) {
                    return null; // a client has ended or paused it meanwhile
                }
                JobRows.error(handle, job.id(), Job.Reason.of(reason.code(), reason.getMessage(), reason.param()));
                HistoryRows.event(
                        handle,
                        job.id(),
                        jobs.message(Job.Event.Level.ERROR, "The job failed: " + reason.getMessage()));
                return null;
            });
            jobs.changes().signal();
            jobs.folders().clear(job.id());
        } catch (IOException | RuntimeException e) {
            // the disk that failed the job may fail this too; the next start takes it up again
            LOG.log(System.Logger.Level.ERROR, "the failure of job " + job.id() + " can't be written", e);
            pauseAfterTrouble();
        }
    }

    private static void pauseAfterTrouble() {
        try {
            Thread.sleep(LOOK);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Stops after saving what the running job has learnt; it goes on at the next start. */
    @Override
    public void close() {
        closed = true;
        jobs.changes().signal();
        boolean interrupted = false;
        for (Thread thread : List.of(training, files)) {
            try {
                thread.join(Duration.ofSeconds(15));
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
