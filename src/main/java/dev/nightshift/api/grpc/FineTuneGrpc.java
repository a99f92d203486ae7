package dev.nightshift.api.grpc;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.CreateFineTuneJobRequest;
import dev.nightshift.proto.v1.FineTuneEvent;
import dev.nightshift.proto.v1.FineTuneJob;
import dev.nightshift.proto.v1.FineTuneJobName;
import dev.nightshift.proto.v1.FineTuneServiceGrpc;
import dev.nightshift.proto.v1.ListFineTuneJobsRequest;
import dev.nightshift.proto.v1.ListFineTuneJobsResponse;
import dev.nightshift.proto.v1.WatchFineTuneJobRequest;
import dev.nightshift.tuning.FineTuneJobs;
import dev.nightshift.tuning.Job;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.smallrye.common.annotation.Blocking;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** {@code nightshift.v1.FineTuneService}. */
@GrpcService
public class FineTuneGrpc extends FineTuneServiceGrpc.FineTuneServiceImplBase {
    private static final int LIMIT = 20;
    private static final int LIMIT_MAX = 100;
    private static final int EVENTS_PER_TURN = 100;
    private static final Duration LOOK = Duration.ofMillis(500);

    private final FineTuneJobs jobs;
    private final ReaderPatience patience;

    FineTuneGrpc(FineTuneJobs jobs, ReaderPatience patience) {
        this.jobs = jobs;
        this.patience = patience;
    }

    @Override
    @Blocking
    public void createFineTuneJob(CreateFineTuneJobRequest request, StreamObserver<FineTuneJob> observer) {
        Once.answer(observer, () -> FineTuneMessages.job(jobs.create(FineTuneMessages.body(request))));
    }

    @Override
    @Blocking
    public void getFineTuneJob(FineTuneJobName request, StreamObserver<FineTuneJob> observer) {
        Once.answer(observer, () -> FineTuneMessages.job(jobs.get(request.getId())));
    }

    @Override
    @Blocking
    public void listFineTuneJobs(ListFineTuneJobsRequest request, StreamObserver<ListFineTuneJobsResponse> observer) {
        Once.answer(observer, () -> {
            int limit = request.getLimit() == 0 ? LIMIT : request.getLimit();
            if (limit < 1 || limit > LIMIT_MAX) {
                throw ServingException.invalid(
                        "limit", "limit: 1 to %d are possible, got %d".formatted(LIMIT_MAX, limit));
            }
            Job.Page<Job> page = jobs.list(given(request.getAfter()), request.getMetadataMap(), limit);
            return ListFineTuneJobsResponse.newBuilder()
                    .addAllJobs(page.items().stream().map(FineTuneMessages::job).toList())
                    .setHasMore(page.more())
                    .build();
        });
    }

    private static Optional<String> given(String text) {
        return Optional.of(text).filter(value -> !value.isEmpty());
    }

    @Override
    @Blocking
    public void cancelFineTuneJob(FineTuneJobName request, StreamObserver<FineTuneJob> observer) {
        Once.answer(observer, () -> FineTuneMessages.job(jobs.cancel(request.getId())));
    }

    @Override
    @Blocking
    public void pauseFineTuneJob(FineTuneJobName request, StreamObserver<FineTuneJob> observer) {
        Once.answer(observer, () -> FineTuneMessages.job(jobs.pause(request.getId())));
    }

    @Override
    @Blocking
    public void resumeFineTuneJob(FineTuneJobName request, StreamObserver<FineTuneJob> observer) {
        Once.answer(observer, () -> FineTuneMessages.job(jobs.resume(request.getId())));
    }

    /** A watch lasts as long as its job: it has a virtual thread of its own, not one of the workers. */
    @Override
    @Blocking
    public void watchFineTuneJob(WatchFineTuneJobRequest request, StreamObserver<FineTuneEvent> observer) {
        ServerCallStreamObserver<FineTuneEvent> call = (ServerCallStreamObserver<FineTuneEvent>) observer;
        PacedCall<FineTuneEvent> paced = new PacedCall<>(call, patience);
        Thread.ofVirtual()
                .name("job-watch")
                .start(() -> Once.guard(call, () -> {
                    if (watch(request, paced)) {
                        call.onCompleted();
                    }
                }));
    }

    /** @return whether everything was told; false if the caller left */
    private boolean watch(WatchFineTuneJobRequest request, PacedCall<FineTuneEvent> call) {
        try {
            Optional<String> after = given(request.getAfter());
            while (!call.left()) {
                // the state first: events that came before the end are then all read
                boolean ended = jobs.get(request.getId()).state().ended();
                List<Job.Event> events = jobs.eventsSince(request.getId(), after, EVENTS_PER_TURN);
                for (Job.Event event : events) {
                    send(call, FineTuneMessages.event(event));
                    after = Optional.of(event.id());
                }
                if (events.isEmpty() && ended) {
                    return true;
                }
                if (events.isEmpty()) {
                    jobs.awaitChange(LOOK);
                }
            }
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ServingException(ErrorCode.UNAVAILABLE, "the server stops", e);
        }
    }

    private void send(PacedCall<FineTuneEvent> call, FineTuneEvent event) throws InterruptedException {
        if (call.send(event) == PacedCall.Fate.STALLED) {
            throw patience.stalled("the job's events");
        }
    }
}
