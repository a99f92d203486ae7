package dev.nightshift.api.http;

import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.chat.ChatStream;
import io.smallrye.mutiny.Uni;
import io.smallrye.mutiny.subscription.UniEmitter;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.net.impl.ConnectionBase;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.core.Response;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;

/**
 * Starts exchanges: the body is read on the connection's event loop; parsing, rendering and encoding run on a worker thread;
 * events are written on the event loop again.
 */
@ApplicationScoped
public class Exchanges {
    private final Vertx vertx;
    private final StreamTimes times;
    private final EdgeRoutes.Limits limits;

    Exchanges(Vertx vertx, StreamTimes times, EdgeRoutes.Limits limits) {
        this.vertx = vertx;
        this.times = times;
        this.limits = limits;
    }

    /** What a request asks of the model, and how it wants to hear it. */
    record Prepared(Chat chat, List<ChatRequest> requests, Form form) {}

    /** @param prepare runs on a worker thread; what it throws is the answer */
    Uni<Response> answer(RoutingContext call, Function<Fields, Prepared> prepare) {
        Exchange exchange = new Exchange(Vertx.currentContext(), call);
        return Uni.createFrom()
                .emitter(emitter -> onWorker(call, body -> {
                            Prepared prepared = prepare.apply(new Fields(Json.parseObject(body), ""));
                            List<ChatStream> opened = open(prepared, exchange);
                            exchange.begin(opened, () -> outlet(prepared.form(), call, emitter, exchange));
                            return null;
                        })
                        .onFailure(emitter::fail));
    }

    /** @param work runs on a worker thread and gives the wire record of the answer */
    Uni<Response> answerAtOnce(RoutingContext call, Function<Fields, Object> work) {
        return Uni.createFrom()
                .emitter(emitter -> onWorker(call, body -> work.apply(new Fields(Json.parseObject(body), "")))
                        .onSuccess(wire -> emitter.complete(Answers.json(wire)))
                        .onFailure(emitter::fail));
    }

    /** @param work runs on a worker thread and gives the whole answer */
    Uni<Response> respond(RoutingContext call, Function<Fields, Response> work) {
        return Uni.createFrom()
                .emitter(emitter -> onWorker(call, body -> work.apply(new Fields(Json.parseObject(body), "")))
                        .onSuccess(emitter::complete)
                        .onFailure(emitter::fail));
    }

    /** @param begin runs on a worker thread; the answer comes when what it has begun ends, and no thread waits for it */
    Uni<Response> respondLater(RoutingContext call, Function<Fields, CompletionStage<Response>> begin) {
        Context context = Vertx.currentContext();
        return Uni.createFrom()
                .emitter(emitter -> onWorker(call, body -> begin.apply(new Fields(Json.parseObject(body), "")))
                        .compose(begun -> Future.fromCompletionStage(begun, context))
                        .onSuccess(emitter::complete)
                        .onFailure(failure -> emitter.fail(reason(failure))));
    }

    /** A stage that depends on another one wraps its failure. */
    private static Throwable reason(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
    }

    private <T> Future<T> onWorker(RoutingContext call, Function<byte[], T> work) {
        Context context = Vertx.currentContext();
        return JsonBody.read(call, limits.bodyBytes())
                .compose(body -> context.executeBlocking(() -> work.apply(body), false));
    }

    /** All of a request's prompts, or none. */
    private List<ChatStream> open(Prepared prepared, Exchange exchange) {
        List<ChatStream> opened = new ArrayList<>(prepared.requests().size());
        try {
            for (ChatRequest request : prepared.requests()) {
                opened.add(prepared.chat().complete(request, exchange::signal));
            }
            return opened;
        } catch (RuntimeException e) {
            opened.forEach(ChatStream::cancel);
            throw e;
        }
    }

    private Outlet outlet(Form form, RoutingContext call, UniEmitter<? super Response> emitter, Exchange exchange) {
        return switch (form) {
            case StreamForm stream ->
                new SseOutlet(vertx, call.response(), stream, emitter, exchange, () -> cut(call), times);
            case AnswerForm whole -> new WholeOutlet(whole, emitter);
        };
    }

    /**
     * Ends an answer that its client does not read. With HTTP/1.1 a reset, and a close of the channel as a whole, wait behind what
     * can't be sent; a close from the connection's own place in the pipeline drops it.
     */
    static void cut(RoutingContext call) {
        if (call.request().version() == HttpVersion.HTTP_2) {
            call.response().reset();
        } else if (call.request().connection() instanceof ConnectionBase connection) {
            connection.channelHandlerContext().close();
        }
    }
}
