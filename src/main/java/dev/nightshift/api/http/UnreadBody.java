package dev.nightshift.api.http;

import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.HttpVersion;
import io.vertx.ext.web.RoutingContext;

/**
 * The rest of a body that was answered before its end. A connection that is closed while its client sends is reset, and most clients
 * then lose the answer; so what still comes is dropped for a while, and the connection closed when the body has ended or the time is
 * over. One object a request, on its connection's event loop.
 */
final class UnreadBody {
    /** Enough for a client to stop sending and read; one that sends for ever holds its connection no longer. */
    static final long LINGER_MILLIS = 10_000;

    private final RoutingContext call;
    private final HttpServerResponse response;
    private boolean ended;
    private boolean answered;
    private boolean closed;

    private UnreadBody(RoutingContext call) {
        this.call = call;
        this.response = call.response();
    }

    /** To be called before the answer is written. */
    static void drop(RoutingContext call) {
        new UnreadBody(call).start();
    }

    private void start() {
        HttpServerRequest request = call.request();
        if (request.isEnded()) {
            return;
        }
        if (!isHttp2() && !response.headWritten()) {
            response.putHeader("Connection", "close");
        }
        if (request.isExpectMultipart()) {
            request.uploadHandler(upload -> {});
        }
        request.exceptionHandler(broken -> {});
        request.handler(dropped -> {});
        request.endHandler(end -> {
            ended = true;
            closeWhenDone();
        });
        call.addEndHandler(sent -> call.vertx().runOnContext(now -> {
            answered = true;
            closeWhenDone();
        }));
        call.vertx().setTimer(LINGER_MILLIS, late -> close());
        request.resume();
    }

    private boolean isHttp2() {
        return call.request().version() == HttpVersion.HTTP_2;
    }

    private void closeWhenDone() {
        if (ended && answered) {
            close();
        }
    }

    private void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (!isHttp2()) {
            call.request().connection().close();
        } else if (!ended) {
            response.reset(); // this stream alone: the connection's other requests go on
        }
    }
}
