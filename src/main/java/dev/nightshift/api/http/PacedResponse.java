package dev.nightshift.api.http;

import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jboss.logging.Logger;

/**
 * An answer written by a thread that may wait, one buffer at a time. Only the connection's event loop knows how much is unsent:
 * what another thread writes waits in the loop's queue, where {@code writeQueueFull} does not count it. So the loop writes, and the
 * thread waits until the connection has taken it. A reader that takes nothing for too long is cut off.
 */
final class PacedResponse {
    private static final Logger LOG = Logger.getLogger(PacedResponse.class);

    private final RoutingContext call;
    private final Context connection;
    private final Duration patience;
    private final AtomicBoolean gone = new AtomicBoolean();

    /**
     * To be made on the connection's event loop.
     *
     * @param patience how long the connection may take nothing
     */
    PacedResponse(RoutingContext call, Duration patience) {
        this.call = call;
        this.connection = Vertx.currentContext();
        this.patience = patience;
        // the response has one close handler, on which all end handlers of the call hang
        call.addEndHandler(ended -> gone.set(true));
    }

    /** Whether nobody reads any more. */
    boolean gone() {
        return gone.get();
    }

    /** Runs on the event loop, in the order of the calls. */
    void later(Consumer<HttpServerResponse> step) {
        connection.runOnContext(now -> step.accept(call.response()));
    }

    /** Ends the connection, or its stream, whatever is still to be sent. */
    void cut() {
        gone.set(true);
        later(response -> Exchanges.cut(call));
    }

    /**
     * Returns when the connection has taken the bytes, or nobody reads any more.
     *
     * @return whether it has
     */
    boolean send(Buffer bytes) throws InterruptedException {
        CompletableFuture<Boolean> taken = new CompletableFuture<>();
        later(response -> response.write(bytes).onComplete(written -> taken.complete(written.succeeded())));
        if (!taken(taken)) {
            gone.set(true);
        }
        return !gone();
    }

    private boolean taken(CompletableFuture<Boolean> taken) throws InterruptedException {
        try {
            try {
                return taken.get(patience.toNanos(), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                // on the loop, which after a sleep of the whole process first does what was due
                later(response -> giveUp(taken));
                return taken.get();
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException("an answer could not be written", e.getCause());
        }
    }

    private void giveUp(CompletableFuture<Boolean> taken) {
        if (taken.complete(false)) {
            LOG.debugf("%s: nothing was read for %s", call.request().path(), patience);
            Exchanges.cut(call);
        }
    }
}
