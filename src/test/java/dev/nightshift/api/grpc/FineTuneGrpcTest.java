package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.TestSettings;
import dev.nightshift.api.EventfulJob;
import dev.nightshift.api.VirtualThreads;
import dev.nightshift.proto.v1.CreateFineTuneJobRequest;
import dev.nightshift.proto.v1.FineTuneEvent;
import dev.nightshift.proto.v1.FineTuneJob;
import dev.nightshift.proto.v1.FineTuneJobName;
import dev.nightshift.proto.v1.FineTuneServiceGrpc;
import dev.nightshift.proto.v1.FineTuneState;
import dev.nightshift.proto.v1.ListModelsRequest;
import dev.nightshift.proto.v1.ModelServiceGrpc;
import dev.nightshift.proto.v1.WatchFineTuneJobRequest;
import dev.nightshift.store.Database;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.RestAssured;
import jakarta.inject.Inject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The same jobs through gRPC. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class FineTuneGrpcTest {
    /** Bytes that the client's connection takes without anybody reading. */
    private static final int WINDOW = 1 << 20;

    @TestHTTPResource
    URI server;

    @Inject
    Database database;

    @ConfigProperty(name = "nightshift.data")
    String data;

    private ManagedChannel channel;
    private FineTuneServiceGrpc.FineTuneServiceBlockingStub jobs;

    @BeforeEach
    void connect() {
        channel = NettyChannelBuilder.forAddress(server.getHost(), server.getPort())
                .usePlaintext()
                .build();
        jobs = FineTuneServiceGrpc.newBlockingStub(channel);
    }

    @AfterEach
    void disconnect() {
        channel.shutdownNow();
    }

    private static String upload() {
        String row = "{\"prompt\":\"one\",\"completion\":\" two\"}\n";
        return RestAssured.given()
                .multiPart("purpose", "fine-tune")
                .multiPart("file", "rows.jsonl", row.repeat(10).getBytes(StandardCharsets.UTF_8))
                .post("/v1/files")
                .path("id");
    }

    @Test
    void aWatchTellsEverythingUntilTheJobHasEnded() {
        String base = ModelServiceGrpc.newBlockingStub(channel)
                .listModels(ListModelsRequest.getDefaultInstance())
                .getModels(0)
                .getName();
        FineTuneJob job = jobs.createFineTuneJob(CreateFineTuneJobRequest.newBuilder()
                .setModel(base)
                .setTrainingFile(upload())
                .setEpochs(1)
                .setBatchSize(5)
                .build());
        List<String> messages = new ArrayList<>();
        jobs.watchFineTuneJob(
                        WatchFineTuneJobRequest.newBuilder().setId(job.getId()).build())
                .forEachRemaining((FineTuneEvent event) -> messages.add(event.getMessage()));
        assertThat(messages.getFirst()).isEqualTo("Created fine-tuning job: " + job.getId());
        assertThat(messages).anyMatch(text -> text.startsWith("Step 2/2"));
        FineTuneJob ended = jobs.getFineTuneJob(name(job));
        assertThat(ended.getState())
                .isIn(FineTuneState.FINE_TUNE_STATE_SUCCEEDED, FineTuneState.FINE_TUNE_STATE_FAILED);
        StatusRuntimeException refused =
                catchThrowableOfType(StatusRuntimeException.class, () -> jobs.cancelFineTuneJob(name(job)));
        assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
    }

    /** A job of 500 steps, left when its first one is done. */
    private FineTuneJob running() throws InterruptedException {
        String base = ModelServiceGrpc.newBlockingStub(channel)
                .listModels(ListModelsRequest.getDefaultInstance())
                .getModels(0)
                .getName();
        FineTuneJob job = jobs.createFineTuneJob(CreateFineTuneJobRequest.newBuilder()
                .setModel(base)
                .setTrainingFile(upload())
                .setEpochs(50)
                .setBatchSize(1)
                .build());
        await("the first step", () -> jobs.getFineTuneJob(name(job)).getStepsDone() > 0);
        assertThat(jobs.getFineTuneJob(name(job)).getState()).isEqualTo(FineTuneState.FINE_TUNE_STATE_RUNNING);
        return job;
    }

    private interface Condition {
        boolean holds() throws IOException;
    }

    private static void await(String what, Condition condition) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(90).toNanos();
        boolean holds = false;
        while (!holds) {
            assertThat(System.nanoTime()).as(what).isLessThan(end);
            Thread.sleep(50);
            try {
                holds = condition.holds();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static boolean watched() throws IOException {
        return VirtualThreads.live("job-watch");
    }

    @Test
    void aRunningJobIsCancelledAndItsWatchEnds() throws InterruptedException {
        FineTuneJob job = running();
        Iterator<FineTuneEvent> watch = jobs.watchFineTuneJob(
                WatchFineTuneJobRequest.newBuilder().setId(job.getId()).build());
        assertThat(watch.next().getMessage()).startsWith("Created");
        FineTuneJob cancelled = jobs.cancelFineTuneJob(name(job));
        assertThat(cancelled.getState()).isEqualTo(FineTuneState.FINE_TUNE_STATE_CANCELLED);
        List<String> rest = new ArrayList<>();
        watch.forEachRemaining(event -> rest.add(event.getMessage()));
        assertThat(rest).contains("Fine-tuning job started", "The job was cancelled");
        assertThat(jobs.getFineTuneJob(name(job)).getFineTunedModel()).isEmpty();
        await("the job's files", () -> !Files.exists(Path.of(data, "tuning", job.getId())));
        await("the end of the watch", () -> !watched());
        // the device belongs to the next job
        jobs.cancelFineTuneJob(name(running()));
    }

    @Test
    void aWatchThatItsClientCancelsLeavesNothingBehind() throws InterruptedException {
        FineTuneJob job = running();
        List<Status.Code> ends = new CopyOnWriteArrayList<>();
        for (int watch = 0; watch < 3; watch++) {
            Context.CancellableContext call = Context.current().withCancellation();
            CountDownLatch begun = new CountDownLatch(1);
            call.run(() -> FineTuneServiceGrpc.newStub(channel)
                    .watchFineTuneJob(
                            WatchFineTuneJobRequest.newBuilder()
                                    .setId(job.getId())
                                    .build(),
                            new StreamObserver<>() {
                                @Override
                                public void onNext(FineTuneEvent event) {
                                    begun.countDown();
                                }

                                @Override
                                public void onError(Throwable failure) {
                                    ends.add(Status.fromThrowable(failure).getCode());
                                }

                                @Override
                                public void onCompleted() {
                                    ends.add(Status.Code.OK);
                                }
                            }));
            assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
            await("a thread that watches", FineTuneGrpcTest::watched);
            call.cancel(null);
        }
        await("the end of the watches", () -> ends.size() == 3 && !watched());
        assertThat(ends).containsOnly(Status.Code.CANCELLED);
        int steps = jobs.getFineTuneJob(name(job)).getStepsDone();
        await("further steps", () -> jobs.getFineTuneJob(name(job)).getStepsDone() > steps);
        jobs.cancelFineTuneJob(name(job));
    }

    private Stubborn<WatchFineTuneJobRequest, FineTuneEvent> stubborn(EventfulJob job, AtomicLong events) {
        Stubborn<WatchFineTuneJobRequest, FineTuneEvent> reader = Stubborn.counting(events, event -> 1);
        FineTuneServiceGrpc.newStub(channel)
                .watchFineTuneJob(
                        WatchFineTuneJobRequest.newBuilder().setId(job.id()).build(), reader);
        return reader;
    }

    @Test
    void eventsWaitInTheDatabaseForTheirReader() throws Exception {
        try (EventfulJob job = new EventfulJob(
                database,
                ModelServiceGrpc.newBlockingStub(channel)
                        .listModels(ListModelsRequest.getDefaultInstance())
                        .getModels(0)
                        .getName())) {
            AtomicLong events = new AtomicLong();
            Stubborn<WatchFineTuneJobRequest, FineTuneEvent> reader = stubborn(job, events);
            assertThat(reader.awaitFirst()).isTrue();
            assertThat(job.settledRowsRead())
                    .as("events read for a reader of one")
                    .isBetween(1L, (long) WINDOW / EventfulJob.EVENT_CHARACTERS + 2 * EventfulJob.TURN);
            // the reader stays, for longer than the tests' nightshift.slow-reader
            await("the end of the watch", () -> !watched());
            Status end = reader.readOnToFailure();
            assertThat(end.getCode()).isEqualTo(Status.Code.CANCELLED);
            assertThat(end.getDescription()).contains("nothing of the job's events was read for 3000 ms");
            assertThat(events.get()).isLessThan(job.events());

            AtomicLong all = new AtomicLong();
            stubborn(job, all).readOn();
            assertThat(all.get()).isGreaterThan(EventfulJob.EVENTS).isEqualTo(job.events());
            await("the end of the watch", () -> !watched());

            Stubborn<WatchFineTuneJobRequest, FineTuneEvent> leaving = stubborn(job, events);
            assertThat(leaving.awaitFirst()).isTrue();
            leaving.leave();
            await("the end of the watch", () -> !watched());
        }
    }

    private static FineTuneJobName name(FineTuneJob job) {
        return FineTuneJobName.newBuilder().setId(job.getId()).build();
    }
}
