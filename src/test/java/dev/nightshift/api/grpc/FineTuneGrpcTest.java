package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.nightshift.TestSettings;
import dev.nightshift.proto.v1.CreateFineTuneJobRequest;
import dev.nightshift.proto.v1.FineTuneEvent;
import dev.nightshift.proto.v1.FineTuneJob;
import dev.nightshift.proto.v1.FineTuneJobName;
import dev.nightshift.proto.v1.FineTuneServiceGrpc;
import dev.nightshift.proto.v1.FineTuneState;
import dev.nightshift.proto.v1.ListModelsRequest;
import dev.nightshift.proto.v1.ModelServiceGrpc;
import dev.nightshift.proto.v1.WatchFineTuneJobRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.restassured.RestAssured;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The same jobs through gRPC. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class FineTuneGrpcTest {
    @TestHTTPResource
    URI server;

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

    private static FineTuneJobName name(FineTuneJob job) {
        return FineTuneJobName.newBuilder().setId(job.getId()).build();
    }
}
