package dev.nightshift.api.http;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.failure.ServingException;
import io.smallrye.mutiny.subscription.UniEmitter;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import jakarta.ws.rs.core.Response;
import java.time.Duration;
import java.util.List;

/**
 * Server-sent events as OpenAI's clients read them: {@code data: {json}\n\n}, comments while nothing happens, {@code [DONE]}
 * and the end. Nothing is written before the request is admitted or the first comment is due, so what fails until then keeps
 * its HTTP status. A connection that stays full for too long is given up. Full is what the socket has not taken of what was
 * written: Vert.x's own flag follows the channel by an event, too late for thousands of small frames.
 */
final class SseOutlet implements Outlet {
    private static final Buffer PING = Buffer.buffer(": ping\n\n");
    private static final Buffer DONE = Buffer.buffer("data: [DONE]\n\n");
    private static final long NO_TIMER = -1;
    /** Bytes on their way to the socket at which no more is taken from the engine. */
    private static final int UNSENT_MAX = 1 << 16;

    private final Vertx vertx;
    private final HttpServerResponse response;
    private final StreamForm form;
    private final UniEmitter<? super Response> emitter;
    private final Exchange exchange;
    private final Runnable cut;
    private final Duration slowReader;
    private final long keepAliveTimer;
    private long slowTimer = NO_TIMER;
    private int unsent;
    private boolean begun;
    private boolean silent = true;

    /** @param cut ends the connection, or its stream, at once, whatever is still to be sent */
    SseOutlet(
            Vertx vertx,
            HttpServerResponse response,
            StreamForm form,
            UniEmitter<? super Response> emitter,
            Exchange exchange,
            Runnable cut,
            StreamTimes times) {
        this.vertx = vertx;
        this.response = response;
        this.form = form;
        this.emitter = emitter;
        this.exchange = exchange;
        this.cut = cut;
        this.slowReader = times.slowReader();
        this.keepAliveTimer = vertx.setPeriodic(times.keepAlive().toMillis(), timer -> keepAlive());
    }

    @Override
    public boolean full() {
        if (unsent < UNSENT_MAX) {
            return false;
        }
        if (slowTimer == NO_TIMER) {
            slowTimer = vertx.setTimer(slowReader.toMillis(), timer -> giveUp());
        }
        return true;
    }

    private void sent(int bytes) {
        unsent -= bytes;
        if (slowTimer != NO_TIMER && unsent <= UNSENT_MAX / 2) {
            stopSlowTimer();
            exchange.signal();
        }
    }

    @Override
    public void event(int prompt, ChatEvent event) {
        List<Object> frames = form.frames(prompt, event);
        if (event instanceof ChatEvent.Started) {
            begin();
        }
        frames.forEach(this::data);
    }

    @Override
    public void completed() {
        form.closing().forEach(this::data);
        write(DONE);
        end();
    }

    @Override
    public void failed(ServingException failure) {
        if (!begun) {
            stopTimers();
            emitter.fail(failure);
            return;
        }
        write(Buffer.buffer("event: error\n"));
        data(ErrorBody.of(failure));
        end();
    }

    @Override
    public void gone() {
        stopTimers();
        emitter.complete(null);
    }

    private void begin() {
        if (begun) {
            return;
        }
        begun = true;
        response.setChunked(true);
        response.putHeader("Content-Type", "text/event-stream; charset=utf-8");
        response.putHeader("Cache-Control", "no-cache");
        response.putHeader("X-Accel-Buffering", "no");
    }

    private void data(Object wire) {
        write(Buffer.buffer("data: ").appendBytes(Json.bytes(wire)).appendString("\n\n"));
    }

    private void write(Buffer bytes) {
        begin();
        silent = false;
        int length = bytes.length();
        unsent += length;
        response.write(bytes).onComplete(written -> sent(length));
    }

    private void keepAlive() {
        if (silent && unsent < UNSENT_MAX) {
            write(PING);
        }
        silent = true;
    }

    private void end() {
        stopTimers();
        response.end();
        emitter.complete(null);
    }

    private void giveUp() {
        exchange.leave();
        cut.run();
    }

    private void stopTimers() {
        vertx.cancelTimer(keepAliveTimer);
        stopSlowTimer();
    }

    private void stopSlowTimer() {
        if (slowTimer != NO_TIMER) {
            vertx.cancelTimer(slowTimer);
            slowTimer = NO_TIMER;
        }
    }
}
