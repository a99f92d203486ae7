package dev.nightshift.api.grpc;

import io.grpc.stub.ServerCallStreamObserver;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * A server stream written by a thread that may wait, one message at a time. Only the connection's event loop knows how much is
 * unsent: what another thread writes waits in the loop's queue, where {@code isReady} does not count it. So the loop asks and
 * writes, and the thread waits for it.
 */
final class PacedCall<R> {
    /** What became of a message. */
    enum Fate {
        WRITTEN,
        /** The client went away. */
        LEFT,
        /** The client read nothing for the whole time. */
        STALLED
    }

    private final ServerCallStreamObserver<R> call;
    private final ReaderPatience patience;
    private final Context connection;
    private final Semaphore signals = new Semaphore(0);

    /** Sets the call's handlers; on the thread that the call came on, before anything is written. */
    PacedCall(ServerCallStreamObserver<R> call, ReaderPatience patience) {
        this.call = call;
        this.patience = patience;
        this.connection = Vertx.currentContext();
        call.setOnReadyHandler(signals::release);
        call.setOnCancelHandler(signals::release);
    }

    boolean left() {
        return call.isCancelled();
    }

    Fate send(R message) throws InterruptedException {
        while (!left()) {
            // before the question: a signal that comes after its answer is not lost
            signals.drainPermits();
            if (offer(message)) {
                return Fate.WRITTEN;
            }
            if (!left() && !signals.tryAcquire(patience.slowReader().toMillis(), TimeUnit.MILLISECONDS)) {
                return Fate.STALLED;
            }
        }
        return Fate.LEFT;
    }

    private boolean offer(R message) throws InterruptedException {
        CompletableFuture<Boolean> written = new CompletableFuture<>();
        connection.runOnContext(now -> {
            try {
                boolean ready = !call.isCancelled() && call.isReady();
                if (ready) {
                    call.onNext(message);
                }
                written.complete(ready);
            } catch (RuntimeException e) {
                written.completeExceptionally(e);
            }
        });
        try {
            return written.get();
        } catch (ExecutionException e) {
            if (left()) {
                return false;
            }
            throw new IllegalStateException("a message could not be written", e.getCause());
        }
    }
}
