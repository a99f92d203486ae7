package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.chat.ChatStream;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.Context;
import io.vertx.ext.web.RoutingContext;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/**
 * One request being answered. The engine signals from its own thread; events are read on the connection's event loop, so no
 * thread waits. When the client goes away, every prompt is cancelled, also one that is opened later.
 */
final class Exchange {
    private static final Logger LOG = Logger.getLogger(Exchange.class);

    private static final int EVENTS_PER_TURN = 64;

    private final Context context;
    private final AtomicBoolean readScheduled = new AtomicBoolean();

    // ---- event loop only
    private Outlet outlet;
    private List<ChatStream> prompts = List.of();
    private final BitSet complete = new BitSet();
    private boolean over;

    /** To be called on the event loop, before anything that may take time: a connection may close at once. */
    Exchange(Context context, RoutingContext call) {
        this.context = context;
        // told of a close, of a reset and of the end, which finds the exchange over
        call.addEndHandler(ended -> leave());
    }

    /** Events wait to be read. Any thread. */
    void signal() {
        if (readScheduled.compareAndSet(false, true)) {
            context.runOnContext(now -> {
                readScheduled.set(false);
                read();
            });
        }
    }

    /** The prompts run; from here on their events go to the outlet. Any thread. */
    void begin(List<ChatStream> opened, Supplier<Outlet> target) {
        context.runOnContext(now -> {
            prompts = opened;
            outlet = target.get();
            if (over) {
                cancelRest();
                outlet.gone();
            } else {
                read();
            }
        });
    }

    private void read() {
        try {
            readAll();
        } catch (RuntimeException e) {
            LOG.error("An answer could not be written", e);
            fail(new ServingException(ErrorCode.INTERNAL, "Internal error; the server's log has the reason", e));
        }
    }

    /**
     * What there is, up to a bound: a connection learns that it is full only when the event loop comes round, and others wait
     * for their turn.
     */
    private void readAll() {
        int left = EVENTS_PER_TURN;
        for (int prompt = 0; prompt < prompts.size() && !over; prompt++) {
            while (!over && !complete.get(prompt) && !outlet.full()) {
                ChatEvent event = prompts.get(prompt).poll();
                if (event == null) {
                    break;
                }
                take(prompt, event);
                if (--left == 0) {
                    signal();
                    return;
                }
            }
        }
    }

    private void take(int prompt, ChatEvent event) {
        if (event instanceof ChatEvent.Failed failed) {
            complete.set(prompt);
            fail(failed.failure());
            return;
        }
        outlet.event(prompt, event);
        if (event instanceof ChatEvent.Completed) {
            complete.set(prompt);
            if (complete.cardinality() == prompts.size()) {
                over = true;
                outlet.completed();
            }
        }
    }

    private void fail(ServingException failure) {
        over = true;
        cancelRest();
        outlet.failed(failure);
    }

    /** The client is gone, or reads so slowly that it counts as gone. Event loop. */
    void leave() {
        if (over) {
            return;
        }
        over = true;
        cancelRest();
        if (outlet != null) {
            outlet.gone();
        }
    }

    private void cancelRest() {
        for (int prompt = 0; prompt < prompts.size(); prompt++) {
            if (!complete.get(prompt)) {
                prompts.get(prompt).cancel();
            }
        }
    }
}
