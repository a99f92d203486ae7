package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.nightshift.TestSettings;
import dev.nightshift.api.http.ScriptedEngine;
import dev.nightshift.proto.v1.ChatServiceGrpc;
import dev.nightshift.proto.v1.CompleteRequest;
import dev.nightshift.proto.v1.CompleteResponse;
import dev.nightshift.proto.v1.CompleteStreamResponse;
import dev.nightshift.proto.v1.ContentPart;
import dev.nightshift.proto.v1.Conversation;
import dev.nightshift.proto.v1.DetokenizeRequest;
import dev.nightshift.proto.v1.FinishReason;
import dev.nightshift.proto.v1.GetModelRequest;
import dev.nightshift.proto.v1.ListModelsRequest;
import dev.nightshift.proto.v1.Message;
import dev.nightshift.proto.v1.Model;
import dev.nightshift.proto.v1.ModelServiceGrpc;
import dev.nightshift.proto.v1.Prompt;
import dev.nightshift.proto.v1.Sampling;
import dev.nightshift.proto.v1.Text;
import dev.nightshift.proto.v1.TokenizeRequest;
import dev.nightshift.proto.v1.TokenizeResponse;
import grpc.health.v1.HealthGrpc;
import grpc.health.v1.HealthOuterClass.HealthCheckRequest;
import grpc.health.v1.HealthOuterClass.HealthCheckResponse.ServingStatus;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The services as grpc-java's own stubs see them, on the port that HTTP has too. */
@Tag("server")
@QuarkusTest
@QuarkusTestResource(TestSettings.class)
class ChatGrpcTest {
    private static final Duration SOON = Duration.ofSeconds(10);
    /** Bytes that the server may send and the client has not read; HTTP/2 holds them back in the server beyond that. */
    private static final int WINDOW = 1 << 20;
    /** At least, of a token in a stream. */
    private static final int MESSAGE_BYTES = 16;
    /** Events that a call carries before it looks whether others wait. */
    private static final int TURN = 64;

    @TestHTTPResource
    URI server;

    private ManagedChannel channel;
    private ChatServiceGrpc.ChatServiceBlockingStub chat;

    @BeforeEach
    void connect() {
        channel = NettyChannelBuilder.forAddress(server.getHost(), server.getPort())
                .usePlaintext()
                .maxInboundMessageSize(64 << 20)
                .flowControlWindow(WINDOW)
                .build();
        chat = ChatServiceGrpc.newBlockingStub(channel);
    }

    @AfterEach
    void disconnect() {
        channel.shutdownNow();
    }

    private static CompleteRequest.Builder question(String text) {
        return CompleteRequest.newBuilder()
                .setPrompt(Prompt.newBuilder()
                        .setChat(Conversation.newBuilder()
                                .addMessages(Message.newBuilder()
                                        .setRole("user")
                                        .addContent(ContentPart.newBuilder().setText(text)))))
                .setSampling(Sampling.newBuilder().setTemperature(0))
                .setMaxTokens(16);
    }

    /** What the engine does with it is in its cache salt. */
    private static CompleteRequest script(String kind, String name) {
        return question("Hi").setCacheSalt("script:" + kind + ":" + name).build();
    }

    private static StatusRuntimeException refused(Runnable call) {
        StatusRuntimeException status = catchThrowableOfType(StatusRuntimeException.class, call::run);
        assertThat(status).as("no failure").isNotNull();
        return status;
    }

    @Test
    void theStreamsTextIsTheWholeAnswers() {
        CompleteRequest request = question("What is the capital of France?").build();
        CompleteResponse whole = chat.complete(request);
        StringBuilder text = new StringBuilder();
        List<CompleteStreamResponse.EventCase> order = new ArrayList<>();
        FinishReason reason = null;
        int completionTokens = 0;
        for (Iterator<CompleteStreamResponse> stream = chat.completeStream(request); stream.hasNext(); ) {
            CompleteStreamResponse event = stream.next();
            order.add(event.getEventCase());
            text.append(event.getDelta().getText());
            reason = event.hasChoiceFinished() ? event.getChoiceFinished().getFinishReason() : reason;
            completionTokens = event.getCompleted().getCompletionTokens();
        }
        assertThat(text.toString()).isNotEmpty().isEqualTo(whole.getChoices(0).getText());
        assertThat(reason).isEqualTo(whole.getChoices(0).getFinishReason());
        assertThat(completionTokens).isEqualTo(whole.getUsage().getCompletionTokens());
        assertThat(order.getFirst()).isEqualTo(CompleteStreamResponse.EventCase.STARTED);
        assertThat(order.subList(order.size() - 2, order.size()))
                .containsExactly(
                        CompleteStreamResponse.EventCase.CHOICE_FINISHED, CompleteStreamResponse.EventCase.COMPLETED);
        assertThat(whole.getModel()).isEqualTo("nightshift-tiny");
    }

    @Test
    void choicesAndLogprobsAreAnswered() {
        CompleteResponse response = chat.complete(question("Hello")
                .setN(2)
                .setTopLogprobs(2)
                .setPromptTopLogprobs(0)
                .build());
        assertThat(response.getChoicesList()).hasSize(2).allSatisfy(choice -> {
            assertThat(choice.getLogprobsList()).isNotEmpty().allMatch(token -> token.getTopCount() == 2);
            assertThat(choice.getPromptLogprobsCount())
                    .isEqualTo(response.getUsage().getPromptTokens());
            assertThat(choice.getPromptLogprobs(0).hasLogprob()).isFalse();
        });
    }

    @Test
    void anUnknownModelIsNotFound() throws Exception {
        StatusRuntimeException status = refused(
                () -> chat.complete(question("Hi").setModel("no-such-model").build()));
        assertThat(status.getStatus().getCode()).isEqualTo(Status.Code.NOT_FOUND);
        assertThat(status.getStatus().getDescription()).contains("no-such-model");
        assertThat(StatusProto.fromThrowable(status)
                        .getDetails(0)
                        .unpack(ErrorInfo.class)
                        .getReason())
                .isEqualTo("MODEL_NOT_FOUND");
    }

    @Test
    void aValueOutOfRangeIsAnInvalidArgumentInAStreamToo() {
        CompleteRequest request =
                question("Hi").setSampling(Sampling.newBuilder().setTopP(2)).build();
        StatusRuntimeException status =
                refused(() -> chat.completeStream(request).hasNext());
        assertThat(status.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(status.getStatus().getDescription()).contains("sampling.top_p", "2.0");
    }

    @Test
    void aFullQueueSaysWhenToComeBack() throws Exception {
        StatusRuntimeException status = refused(() -> chat.complete(script("full", "grpc")));
        assertThat(status.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(StatusProto.fromThrowable(status)
                        .getDetails(1)
                        .unpack(RetryInfo.class)
                        .getRetryDelay()
                        .getSeconds())
                .isEqualTo(3);
    }

    @Test
    void aFailureInTheMiddleEndsTheStreamWithItsStatus() {
        Iterator<CompleteStreamResponse> stream = chat.completeStream(script("breaks", "grpc"));
        List<CompleteStreamResponse> seen = new ArrayList<>();
        StatusRuntimeException status = refused(() -> stream.forEachRemaining(seen::add));
        assertThat(status.getStatus().getCode()).isEqualTo(Status.Code.INTERNAL);
        assertThat(status.getStatus().getDescription()).contains("not finite");
        assertThat(seen).anyMatch(CompleteStreamResponse::hasDelta);
    }

    @Test
    void anInternalFaultKeepsItsReasonInTheLog() {
        StatusRuntimeException status = refused(() -> chat.complete(script("bug", "grpc")));
        assertThat(status.getStatus().getCode()).isEqualTo(Status.Code.INTERNAL);
        assertThat(status.getStatus().getDescription()).doesNotContain("secret");
    }

    @Test
    void aDeadlineReachesTheEngine() throws Exception {
        for (String kind : List.of("unary", "stream")) {
            var limited = chat.withDeadlineAfter(300, TimeUnit.MILLISECONDS);
            CompleteRequest request = script("wait", "deadline-" + kind);
            StatusRuntimeException status = refused(() -> {
                if (kind.equals("unary")) {
                    limited.complete(request);
                } else {
                    limited.completeStream(request).forEachRemaining(event -> {});
                }
            });
            assertThat(status.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
            assertThat(ScriptedEngine.sequence(request.getCacheSalt()).awaitCancelled(SOON))
                    .isTrue();
        }
    }

    @Test
    void theServerKeepsADeadlineThatItsClientDoesNot() {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("grpc-timeout", Metadata.ASCII_STRING_MARSHALLER), "1m");
        var careless = chat.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
        CompleteRequest request = question("Tell me everything")
                .setMaxTokens(900)
                .setSampling(Sampling.newBuilder().setIgnoreEos(true))
                .build();
        StatusRuntimeException status = refused(() -> careless.complete(request));
        assertThat(status.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    }

    @Test
    void aCancelledCallLeavesTheEngine() throws Exception {
        Recorder recorder = new Recorder(1000);
        ChatServiceGrpc.newStub(channel).completeStream(script("drip", "cancelled"), recorder);
        assertThat(recorder.first.await(10, TimeUnit.SECONDS)).isTrue();
        recorder.call.cancel("enough", null);
        assertThat(ScriptedEngine.sequence("script:drip:cancelled").awaitCancelled(SOON))
                .isTrue();
    }

    @Test
    void aReaderThatTakesNothingMakesTheServerWait() throws Exception {
        Recorder recorder = new Recorder(1);
        ChatServiceGrpc.newStub(channel).completeStream(script("flood", "slow"), recorder);
        assertThat(recorder.first.await(10, TimeUnit.SECONDS)).isTrue();
        ScriptedEngine.Scripted sequence = ScriptedEngine.sequence("script:flood:slow");
        long before = -1;
        long now = sequence.polled.get();
        for (int i = 0; i < 100 && now != before; i++) {
            before = now;
            Thread.sleep(200);
            now = sequence.polled.get();
        }
        assertThat(now)
                .as("tokens taken from an endless sequence")
                .isEqualTo(before)
                .isLessThanOrEqualTo(WINDOW / MESSAGE_BYTES + TURN);
        recorder.call.request(2 * WINDOW / MESSAGE_BYTES); // more than the window holds
        long end = System.nanoTime() + SOON.toNanos();
        while (sequence.polled.get() == now && System.nanoTime() < end) {
            Thread.sleep(10);
        }
        assertThat(sequence.polled.get()).as("it goes on once the reader reads").isGreaterThan(now);
        recorder.call.cancel("enough", null);
        assertThat(sequence.awaitCancelled(SOON)).isTrue();
    }

    @Test
    void aMessageMayBeAsLargeAsABody() {
        // a stop string that long is refused, once the message has been read
        String large = "x".repeat(31 << 20);
        StatusRuntimeException read =
                refused(() -> chat.complete(question("Hi").addStop(large).build()));
        assertThat(read.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(read.getStatus().getDescription()).contains("stop: a string of 32505856 characters");
        String tooLarge = "x".repeat(33 << 20);
        assertThat(refused(() -> chat.complete(question("Hi").addStop(tooLarge).build()))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    }

    @Test
    void tokenizingShowsTheRenderingAndDetokenizingGivesTheTextBack() {
        TokenizeResponse text = chat.tokenize(TokenizeRequest.newBuilder()
                .setPrompt(Prompt.newBuilder()
                        .setText(Text.newBuilder().setText("Once upon a time").setAddSpecialTokens(false)))
                .build());
        assertThat(text.getTokensCount()).isEqualTo(text.getIdsCount()).isPositive();
        assertThat(chat.detokenize(DetokenizeRequest.newBuilder()
                                .addAllIds(text.getIdsList())
                                .build())
                        .getText())
                .isEqualTo("Once upon a time");
        TokenizeResponse rendered = chat.tokenize(TokenizeRequest.newBuilder()
                .setPrompt(question("Hello").getPrompt())
                .build());
        assertThat(rendered.getRendered()).contains("Hello").hasSizeGreaterThan("Hello".length());
    }

    @Test
    void theBaseModelIsListedFirst() {
        var models = ModelServiceGrpc.newBlockingStub(channel);
        Model first = models.listModels(ListModelsRequest.getDefaultInstance()).getModels(0);
        assertThat(first.getName()).isEqualTo("nightshift-tiny");
        assertThat(first.getContextMax()).isPositive();
        assertThat(models.getModel(
                        GetModelRequest.newBuilder().setName("nightshift-tiny").build()))
                .isEqualTo(first);
        assertThat(refused(() -> models.getModel(
                                GetModelRequest.newBuilder().setName("other").build()))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void healthIsToldPerService() {
        var health = HealthGrpc.newBlockingStub(channel);
        for (String service : List.of("", ChatServiceGrpc.SERVICE_NAME, ModelServiceGrpc.SERVICE_NAME)) {
            assertThat(health.check(HealthCheckRequest.newBuilder()
                                    .setService(service)
                                    .build())
                            .getStatus())
                    .as(service)
                    .isEqualTo(ServingStatus.SERVING);
        }
    }

    @Test
    void bothReflectionVersionsListTheServices() {
        assertThat(Reflection.services(channel, "v1"))
                .contains(ChatServiceGrpc.SERVICE_NAME, ModelServiceGrpc.SERVICE_NAME);
        assertThat(Reflection.services(channel, "v1alpha"))
                .contains(ChatServiceGrpc.SERVICE_NAME, ModelServiceGrpc.SERVICE_NAME);
    }

    /** A client that asks for so many messages, no more. */
    private static final class Recorder implements ClientResponseObserver<CompleteRequest, CompleteStreamResponse> {
        private final int asked;
        private final CountDownLatch first = new CountDownLatch(1);
        private ClientCallStreamObserver<CompleteRequest> call;

        Recorder(int asked) {
            this.asked = asked;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<CompleteRequest> started) {
            call = started;
            started.disableAutoRequestWithInitial(asked);
        }

        @Override
        public void onNext(CompleteStreamResponse event) {
            first.countDown();
        }

        @Override
        public void onError(Throwable error) {
            first.countDown();
        }

        @Override
        public void onCompleted() {}
    }
}
