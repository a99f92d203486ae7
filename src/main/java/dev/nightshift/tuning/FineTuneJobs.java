package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.TrainableModel;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;

/** The fine-tuning jobs: what clients may do with them. Any thread; what a call changes is durable when it returns. */
public final class FineTuneJobs {
    private static final System.Logger LOG = System.getLogger(FineTuneJobs.class.getName());

    private final JobDatabase database;
    private final TrainingFiles files;
    private final AdapterShelf shelf;
    private final TrainingSlice slice;
    private final JobFolders folders;
    private final Clock clock;
    private final RandomGenerator random = new SecureRandom();
    private final Changes changes = new Changes();
    private volatile JobForecaster forecaster;

    /** @param folder of the jobs' own files */
    public FineTuneJobs(
            JobDatabase database,
            TrainingFiles files,
            AdapterShelf shelf,
            TrainingSlice slice,
            Path folder,
            Clock clock) {
        this.database = database;
        this.files = files;
        this.shelf = shelf;
        this.slice = slice;
        this.folders = new JobFolders(folder);
        this.clock = clock;
    }

    /** Tells waiting threads that something has changed. */
    static final class Changes {
        private long count;

        synchronized long count() {
            return count;
        }

        synchronized void signal() {
            count++;
            notifyAll();
        }

        /** Waits until the count is no longer {@code seen}, or the time is over. */
        synchronized void await(long seen, Duration timeout) throws InterruptedException {
            long end = System.nanoTime() + timeout.toNanos();
            for (long left = timeout.toMillis();
                    count == seen && left > 0;
                    left = (end - System.nanoTime()) / 1_000_000) {
                wait(left);
            }
        }
    }

    Changes changes() {
        return changes;
    }

    JobDatabase database() {
        return database;
    }

    JobFolders folders() {
        return folders;
    }

    TrainingFiles files() {
        return files;
    }

    AdapterShelf shelf() {
        return shelf;
    }

    Clock clock() {
        return clock;
    }

    String newId(String prefix) {
        byte[] bytes = new byte[12];
        random.nextBytes(bytes);
        return prefix + HexFormat.of().formatHex(bytes);
    }

    // ---- clients

    /**
     * Checks a request and takes it as a job: its files are kept, its row is written. The files' rows are read later.
     *
     * @param body decoded JSON
     */
    public Job create(Map<String, Object> body) {
        JobSpec spec = JobSpecReader.read(body, random.nextInt(Integer.MAX_VALUE));
        TrainableModel base = slice.model();
        Optional<Path> start = startOf(spec, base);
        spec.suffix().ifPresent(shelf::checkName);
        Job job = new Job(
                newId("ftjob-"),
                clock.instant(),
                Optional.empty(),
                JobState.VALIDATING_FILES,
                spec,
                base.name(),
                Optional.empty(),
                0,
                0,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
        keepInputs(job.id(), spec, start);
        database.change(handle -> {
            JobRows.insert(handle, job, base.digest());
            HistoryRows.event(handle, job.id(), message(Job.Event.Level.INFO, "Created fine-tuning job: " + job.id()));
            HistoryRows.event(
                    handle,
                    job.id(),
                    message(
                            Job.Event.Level.INFO,
                            "Validating training file: "
                                    + spec.files().getFirst().id()));
            return null;
        });
        changes.signal();
        return get(job.id());
    }

    /** Folder of the adapter that a job goes on from; refuses unknown files and models. */
    private Optional<Path> startOf(JobSpec spec, TrainableModel base) {
        files.check(spec.files().getFirst().id(), "training_file");
        for (int i = 1; i < spec.files().size(); i++) {
            files.check(spec.files().get(i).id(), "nightshift.files[%d].id".formatted(i - 1));
        }
        spec.validationFile().ifPresent(id -> files.check(id, "validation_file"));
        Optional<Path> start = spec.model().equals(base.name()) ? Optional.empty() : shelf.folder(spec.model());
        if (start.isEmpty() && !spec.model().equals(base.name())) {
            throw new ServingException(
                            ErrorCode.MODEL_NOT_FOUND,
                            "model: '%s' is neither the base model '%s' nor an adapter"
                                    .formatted(spec.model(), base.name()))
                    .withParam("model");
        }
        return start;
    }

    private void keepInputs(String id, JobSpec spec, Optional<Path> start) {
        try {
            folders.create(id, folder -> {
                for (int i = 0; i < spec.files().size(); i++) {
                    files.snapshot(spec.files().get(i).id(), JobFolders.trainingFile(folder, i));
                }
                if (spec.validationFile().isPresent()) {
                    files.snapshot(spec.validationFile().get(), JobFolders.validationFile(folder));
                }
                if (start.isPresent()) {
                    JobFolders.copy(start.get(), JobFolders.startAdapter(folder));
                }
            });
        } catch (IOException e) {
            throw JobFolders.failure("the job's files can't be kept", e);
        }
    }

    void attach(JobForecaster attached) {
        forecaster = attached;
    }

    /**
     * A dry run: what a job of this request would do, and what is wrong with its files. Takes some seconds; nothing is kept.
     *
     * @param body as for {@link #create}; without a model the base model is meant
     */
    public JobForecast check(Map<String, Object> body) {
        Map<String, Object> whole = new LinkedHashMap<>(body);
        whole.putIfAbsent("model", slice.model().name());
        JobSpec spec = JobSpecReader.read(whole, 0);
        Optional<Path> start = startOf(spec, slice.model());
        JobForecaster known = forecaster;
        if (known == null) {
            throw new ServingException(ErrorCode.UNAVAILABLE, "the model still loads");
        }
        String id = newId("check-");
        keepInputs(id, spec, start);
        try {
            return known.forecast(known.inspect(spec, folders.of(id)));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ServingException(ErrorCode.UNAVAILABLE, "the server stops", e);
        } finally {
            try {
                folders.clear(id);
            } catch (IOException e) {
                // deleted at the next start
                LOG.log(System.Logger.Level.WARNING, "what a dry run left can''t be deleted: {0}", e.toString());
            }
        }
    }

    Job.Event message(Job.Event.Level level, String text) {
        return message(level, text, Map.of());
    }

    Job.Event message(Job.Event.Level level, String text, Map<String, Object> numbers) {
        return new Job.Event(newId("ftevent-"), clock.instant(), level, Job.Event.Kind.MESSAGE, text, numbers);
    }

    /** A job, or a 404. */
    public Job get(String id) {
        return database.read(handle -> JobRows.find(handle, id))
                .orElseThrow(() -> unknown(id))
                .job();
    }

    private static ServingException unknown(String id) {
        return new ServingException(ErrorCode.NOT_FOUND, "No such fine-tuning job: " + id)
                .withParam("fine_tuning_job_id");
    }

    /**
     * Jobs, newest first.
     *
     * @param after id of the job before the first one
     * @param metadata entries that a job must have
     */
    public Job.Page<Job> list(Optional<String> after, Map<String, String> metadata, int limit) {
        return database.read(handle -> {
            Optional<Long> before = after.map(
                    id -> JobRows.position(handle, id).orElseThrow(() -> noSuch("after", "fine-tuning job", id)));
            return page(
                    JobRows.list(handle, before, metadata, limit + 1).stream()
                            .map(JobRows.Row::job)
                            .toList(),
                    limit);
        });
    }

    private static ServingException noSuch(String param, String what, String id) {
        return ServingException.invalid(param, "%s: no such %s: %s".formatted(param, what, id));
    }

    private static <T> Job.Page<T> page(List<T> found, int limit) {
        return new Job.Page<>(found.subList(0, Math.min(limit, found.size())), found.size() > limit);
    }

    /** A job's events, newest first. */
    public Job.Page<Job.Event> events(String id, Optional<String> after, int limit) {
        return events(id, after, limit, true);
    }

    /** A job's events as they came, for those that follow them. */
    public List<Job.Event> eventsSince(String id, Optional<String> after, int limit) {
        return events(id, after, limit, false).items();
    }

    private Job.Page<Job.Event> events(String id, Optional<String> after, int limit, boolean newestFirst) {
        get(id);
        return database.read(handle -> {
            Optional<Long> from = after.map(event -> HistoryRows.eventPosition(handle, id, event)
                    .orElseThrow(() -> noSuch("after", "event of this job", event)));
            return page(HistoryRows.events(handle, id, from, limit + 1, newestFirst), limit);
        });
    }

    /** Waits for a while, or until something about some job has changed. */
    public void awaitChange(Duration timeout) throws InterruptedException {
        changes.await(changes.count(), timeout);
    }

    /** A job's checkpoints, latest first. */
    public Job.Page<Job.Checkpoint> checkpoints(String id, Optional<String> after, int limit) {
        get(id);
        return database.read(handle -> {
            Optional<Integer> before = after.map(checkpoint -> HistoryRows.checkpointStep(handle, id, checkpoint)
                    .orElseThrow(() -> noSuch("after", "checkpoint of this job", checkpoint)));
            return page(HistoryRows.checkpoints(handle, id, before, limit + 1), limit);
        });
    }

    /** Ends a job that has not ended; what it published so far stays. */
    public Job cancel(String id) {
        return move(
                id,
                Set.of(JobState.VALIDATING_FILES, JobState.QUEUED, JobState.RUNNING, JobState.PAUSED),
                JobState.CANCELLED,
                "The job was cancelled");
    }

    /** Lets a job wait, with what it learnt kept. */
    public Job pause(String id) {
        return move(id, Set.of(JobState.QUEUED, JobState.RUNNING), JobState.PAUSED, "The job was paused");
    }

    /** Lets a paused job go on when its turn comes. */
    public Job resume(String id) {
        return move(id, Set.of(JobState.PAUSED), JobState.QUEUED, "The job was resumed");
    }

    private Job move(String id, Set<JobState> from, JobState to, String text) {
        Optional<Job> moved;
        do {
            moved = database.change(handle -> {
                JobState state = JobRows.find(handle, id)
                        .orElseThrow(() -> unknown(id))
                        .job()
                        .state();
                if (!from.contains(state)) {
                    throw new ServingException(
                            ErrorCode.CONFLICT,
                            "job %s is %s; it can become %s from %s only"
                                    .formatted(
                                            id,
                                            state.wire(),
                                            to.wire(),
                                            from.stream()
                                                    .map(JobState::wire)
                                                    .sorted()
                                                    .toList()));
                }
                if (!JobRows.move(handle, id, state, to, clock.instant())) {
                    return Optional.empty(); // the runner has moved it between reading and writing
                }
                HistoryRows.event(handle, id, message(Job.Event.Level.INFO, text));
                return Optional.of(JobRows.find(handle, id).orElseThrow().job());
            });
        } while (moved.isEmpty());
        changes.signal();
        return moved.get();
    }
}
