package dev.nightshift.api.grpc;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatStream;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.jboss.logging.Logger;

/**
 * Carries a stream's events to their sink while the sink takes them. The engine, the connection and the caller signal from
 * their threads; one thread of the executor at a time reads, some events in a turn. No thread waits.
 */
final class Pump {
    private static final Logger LOG = Logger.getLogger(Pump.class);

    /** So that others on the executor have their turn too. */
    private static final int EVENTS_PER_TURN = 64;

    /** Where events go. Called by one thread at a time. */
    interface Sink {
        /** Whether the connection takes more now; it signals when it does again. */
        boolean ready();

        void event(ChatEvent event);

        /** The call's end, once: a failure, or null after {@link ChatEvent.Completed}. */
        void end(ServingException failure);
    }

    private final Sink sink;
    private final Executor executor;
    private final AtomicInteger signals = new AtomicInteger();
    private volatile ChatStream stream;
    private volatile boolean gone;

    // ---- one executor thread at a time
    private boolean over;

    Pump(Sink sink, Executor executor) {
        this.sink = sink;
        this.executor = executor;
    }

    void begin(ChatStream begun) {
        stream = begun;
        if (gone) {
            begun.cancel();
        }
        signal();
    }

    /** The caller went away, or its deadline passed. Any thread, also before {@link #begin}. */
    void leave() {
        gone = true;
        ChatStream running = stream;
        if (running != null) {
            running.cancel();
        }
        signal();
    }

    /** There may be an event, or room for one. Counts, so that one thread reads and no signal is lost. */
    void signal() {
        if (stream != null && signals.getAndIncrement() == 0) {
            executor.execute(this::run);
        }
    }

    private void run() {
        int seen = signals.get();
        boolean more = false;
        try {
            more = carry();
        } catch (RuntimeException e) {
            LOG.error("An answer could not be written", e);
            stream.cancel();
            end(new ServingException(ErrorCode.INTERNAL, "Internal error; the server's log has the reason", e));
        }
        if (more || !signals.compareAndSet(seen, 0)) {
            executor.execute(this::run);
        }
    }

    /** @return whether it stopped only because its turn was over */
    private boolean carry() {
        // a caller that is gone takes nothing, but the stream is read to its end
        for (int i = 0; i < EVENTS_PER_TURN; i++) {
            ChatEvent event = over || !gone && !sink.ready() ? null : stream.poll();
            switch (event) {
                case null -> {
                    return false;
                }
                case ChatEvent.Failed failed -> end(failed.failure());
                case ChatEvent.Completed completed -> {
                    pass(completed);
                    end(null);
                }
                case ChatEvent.Started started -> pass(started);
                case ChatEvent.PromptScored scored -> pass(scored);
                case ChatEvent.Text text -> pass(text);
                case ChatEvent.ChoiceFinished finished -> pass(finished);
            }
        }
        return true;
    }

    private void pass(ChatEvent event) {
        if (!gone) {
            sink.event(event);
        }
    }

    private void end(ServingException failure) {
        if (!over) {
            over = true;
            sink.end(failure);
        }
    }
}
