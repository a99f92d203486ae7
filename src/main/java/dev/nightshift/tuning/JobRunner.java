package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
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
    /** With the steps that go on after it, an answer comes within the minute that most clients and proxies wait at least. */
    public static final Duration TRIAL = Duration.ofSeconds(20);

    /** How often windows and modes are looked at while a job waits for its time. */
    private static final Duration LOOK = Duration.ofSeconds(1);

    private final FineTuneJobs jobs;
    private final TrainingSlice slice;
    private final SampleReader reader;
    private final TuningRules rules;
    private final RunLimits limits;
    private final JobForecaster forecaster;
    private final Thread files;
    private final Thread training;
    private volatile boolean closed;

    /**
     * What jobs may take.
     *
     * @param arenaBytesMax memory borrowed from the key-value cache at most
     * @param keepTokens tokens that the cache must always have room for beside it
     * @param saveEvery how much work a crash may cost
     * @param trial for how long steps are tried to tell a job's time
     */
    public record RunLimits(long arenaBytesMax, int keepTokens, Duration saveEvery, Duration trial) {}

    public JobRunner(FineTuneJobs jobs, TrainingSlice slice, SampleReader reader, TuningRules rules, RunLimits limits) {
        this.jobs = jobs;
        this.slice = slice;
        this.reader = reader;
        this.rules = rules;
        this.limits = limits;
        this.forecaster = new JobForecaster(slice, reader, rules, jobs.clock(), limits);
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
        jobs.attach(forecaster);
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

    private boolean readNext() throws InterruptedException {
        Optional<JobRows.Row> next = jobs.database().read(JobRows::unread);
        if (next.isEmpty()) {
            return false;
        }
        Job job = next.get().job();
        try {
            read(job);
        } catch (ServingException e) {
            fail(job, e);
        } catch (RuntimeException e) {
            LOG.log(System.Logger.Level.ERROR, "the files of job " + job.id() + " could not be read", e);
            fail(job, internal(e));
        }
        return true;
    }

    private void read(Job job) throws InterruptedException {
        JobForecaster.Inspection inspection =
                forecaster.inspect(job.spec(), jobs.folders().of(job.id()));
        inspection.content().sound();
        JobPlan plan = forecaster.plan(inspection);
        JobForecast forecast = forecaster.forecast(inspection);
        jobs.database().change(handle -> {
            if (JobRows.move(
                    handle,
                    job.id(),
                    JobState.VALIDATING_FILES,
                    JobState.QUEUED,
                    jobs.clock().instant())) {
                JobRows.plan(handle, job.id(), plan);
                forecast.notes()
                        .forEach(note -> HistoryRows.event(handle, job.id(), jobs.message(Job.Event.Level.WARN, note)));
                HistoryRows.event(
                        handle,
                        job.id(),
                        jobs.message(
                                Job.Event.Level.INFO,
                                "Files validated, the job is queued: " + forecast.text(),
                                forecast.numbers()));
            }
            return null;
        });
        jobs.changes().signal();
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
        forecaster.training().lock(); // a trial step of a forecast ends first
        try {
            new JobRun(jobs, slice, reader, forecaster.paces(), next.get(), limits.saveEvery()).run(() -> closed);
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
        } finally {
            forecaster.training().unlock();
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
