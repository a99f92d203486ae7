package dev.nightshift.api.http;

import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.chat.ChatStream;
import io.smallrye.mutiny.Uni;
import io.smallrye.mutiny.subscription.UniEmitter;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerResponse;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.core.Response;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** Starts exchanges: parsing, rendering and encoding on a worker thread, everything after on the connection's event loop. */
@ApplicationScoped
public class Exchanges {
    private final Vertx vertx;
    private final StreamTimes times;

    Exchanges(Vertx vertx, StreamTimes times) {
        this.vertx = vertx;
        this.times = times;
    }

    /** What a request asks of the model, and how it wants to hear it. */
    record Prepared(Chat chat, List<ChatRequest> requests, Form form) {}

    /** @param prepare runs on a worker thread; what it throws is the answer */
    Uni<Response> answer(HttpServerResponse response, Supplier<Prepared> prepare) {
        Context context = Vertx.currentContext();
        Exchange exchange = new Exchange(context, response);
        return Uni.createFrom()
                .emitter(emitter -> context.<Void>executeBlocking(
                                () -> {
                                    Prepared prepared = prepare.get();
                                    List<ChatStream> opened = open(prepared, exchange);
                                    exchange.begin(opened, () -> outlet(prepared.form(), response, emitter, exchange));
                                    return null;
                                },
                                false)
                        .onFailure(emitter::fail));
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

    private Outlet outlet(
            Form form, HttpServerResponse response, UniEmitter<? super Response> emitter, Exchange exchange) {
        return switch (form) {
            case StreamForm stream -> new SseOutlet(vertx, response, stream, emitter, exchange, times);
            case AnswerForm whole -> new WholeOutlet(whole, emitter);
        };
    }
}
