package dev.nightshift.api.grpc;

import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.chat.ServedChat;
import dev.nightshift.proto.v1.ChatServiceGrpc;
import dev.nightshift.proto.v1.CompleteRequest;
import dev.nightshift.proto.v1.CompleteResponse;
import dev.nightshift.proto.v1.CompleteStreamResponse;
import dev.nightshift.proto.v1.DetokenizeRequest;
import dev.nightshift.proto.v1.DetokenizeResponse;
import dev.nightshift.proto.v1.TokenizeRequest;
import dev.nightshift.proto.v1.TokenizeResponse;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.smallrye.common.annotation.Blocking;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import java.time.Instant;
import java.util.Arrays;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/**
 * {@code nightshift.v1.ChatService}. A call is checked, rendered, encoded and submitted on a worker thread, not a virtual one: the
 * tokenizer is native code, which would hold one of the few carrier threads for as long as a prompt takes. Its events are then
 * carried by a {@link Pump} on the connection's event loop: only there is it known at once whether the connection is full, as
 * what other threads write queues for the loop first.
 */
@GrpcService
public class ChatGrpc extends ChatServiceGrpc.ChatServiceImplBase {
    private final ServedChat served;
    private final CallLimits limits;
    private final RunningCalls running;

    ChatGrpc(ServedChat served, CallLimits limits, RunningCalls running) {
        this.served = served;
        this.limits = limits;
        this.running = running;
    }

    @Override
    @Blocking
    public void complete(CompleteRequest request, StreamObserver<CompleteResponse> observer) {
        Once.guard(observer, () -> {
            Chat chat = served.get();
            ChatRequest read = reader(chat).read(request, CallDeadline.current());
            ReplyWriter.Gathered gathered = new ReplyWriter.Gathered(reply(read), read.n());
            start(chat, read, observer, false, event -> {
                gathered.add(event);
                if (event instanceof ChatEvent.Completed) {
                    observer.onNext(gathered.response());
                }
            });
        });
    }

    @Override
    @Blocking
    public void completeStream(CompleteRequest request, StreamObserver<CompleteStreamResponse> observer) {
        Once.guard(observer, () -> {
            Chat chat = served.get();
            ChatRequest read = reader(chat).read(request, CallDeadline.current());
            ReplyWriter reply = reply(read);
            start(chat, read, observer, true, event -> observer.onNext(reply.streamed(event)));
        });
    }

    /** Handlers are set before anything that takes time: a caller may leave, or read, at once. */
    private void start(
            Chat chat, ChatRequest request, StreamObserver<?> observer, boolean paced, Consumer<ChatEvent> events) {
        ServerCallStreamObserver<?> call = (ServerCallStreamObserver<?>) observer;
        running.begin();
        Context connection = Vertx.currentContext();
        Executor eventLoop = task -> connection.runOnContext(now -> task.run());
        Pump pump = new Pump(new CallSink(call, paced, events, running::end), eventLoop);
        call.setOnCancelHandler(pump::leave);
        call.setOnReadyHandler(pump::signal);
        try {
            pump.begin(chat.complete(request, pump::signal));
        } catch (RuntimeException e) {
            running.end();
            throw e;
        }
    }

    private RequestReader reader(Chat chat) {
        return new RequestReader(RequestTerms.of(chat, limits));
    }

    private static ReplyWriter reply(ChatRequest request) {
        String id = "chatcmpl-" + UUID.randomUUID().toString().replace("-", "");
        return new ReplyWriter(id, request.model(), Instant.now().getEpochSecond());
    }

    @Override
    @Blocking
    public void tokenize(TokenizeRequest request, StreamObserver<TokenizeResponse> observer) {
        Once.answer(observer, () -> {
            Chat chat = served.get();
            RequestReader reader = reader(chat);
            checkModel(chat, reader.model(request.getModel()));
            ChatRequest.Prompt prompt = reader.prompt(request.getPrompt());
            int[] ids = chat.encode(prompt);
            TokenizeResponse.Builder response = TokenizeResponse.newBuilder()
                    .addAllIds(Arrays.stream(ids).boxed().toList())
                    .addAllTokens(chat.tokenStrings(ids))
                    .setContextMax(chat.model().contextMax());
            if (prompt instanceof ChatRequest.Messages messages) {
                response.setRendered(chat.render(messages.chat()).text());
            }
            return response.build();
        });
    }

    @Override
    @Blocking
    public void detokenize(DetokenizeRequest request, StreamObserver<DetokenizeResponse> observer) {
        Once.answer(observer, () -> {
            Chat chat = served.get();
            RequestReader reader = reader(chat);
            checkModel(chat, reader.model(request.getModel()));
            int[] ids = reader.tokenIds("ids", request.getIdsList());
            return DetokenizeResponse.newBuilder().setText(chat.detokenize(ids)).build();
        });
    }

    /** All models share the base model's tokenizer, but a name must be one that is served. */
    private static void checkModel(Chat chat, String name) {
        chat.catalog().acquire(name).release().run();
    }
}
