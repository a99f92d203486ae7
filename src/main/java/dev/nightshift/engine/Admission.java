package dev.nightshift.engine;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * The door between other threads and the engine: checks requests, bounds how many are inside, and knows whether the engine is
 * open. Everything that can never run is refused here.
 */
final class Admission {
    private static final Duration RETRY_MIN = Duration.ofSeconds(1);
    private static final Duration RETRY_MAX = Duration.ofSeconds(60);
    /** Weight of the newest interval in the mean time between two ends. */
    private static final double NEWEST = 0.1;

    private final EngineModel model;
    private final EngineLimits limits;
    private final PrefixKeys keys;
    private final Runnable wake;
    private final int contextMax;

    private final ArrayDeque<Sequence> arrivals = new ArrayDeque<>();
    private int inFlight;
    private long submitted;
    private long refused;
    private EngineState state = EngineState.RUNNING;
    private boolean stopRequested;
    private String failure = "";
    private double nanosBetweenEnds;
    private long lastEndNanos;

    Admission(EngineModel model, EngineLimits limits, PrefixKeys keys, Runnable wake) {
        this.model = model;
        this.limits = limits;
        this.keys = keys;
        this.wake = wake;
        long cacheTokens = (long) model.kv().blockCount() * model.kv().layout().blockTokens();
        this.contextMax = (int) Math.min(limits.maxContext(), cacheTokens);
    }

    int contextMax() {
        return contextMax;
    }

    List<Sequence> submit(List<SequenceRequest> requests) {
        for (SequenceRequest request : requests) {
            check(request);
        }
        List<Sequence> sequences = new ArrayList<>(requests.size());
        synchronized (this) {
            if (state != EngineState.RUNNING || stopRequested) {
                refused += requests.size();
                throw new ServingException(ErrorCode.UNAVAILABLE, unavailable());
            }
            int room = limits.maxRunning() + limits.maxQueued() - inFlight;
            if (requests.size() > room) {
                refused += requests.size();
                throw new ServingException(
                                ErrorCode.QUEUE_FULL,
                                "%d sequences run or wait, %d more are too many for max-running %d and max-queued %d"
                                        .formatted(inFlight, requests.size(), limits.maxRunning(), limits.maxQueued()))
                        .withRetryAfter(retryAfter());
            }
            for (SequenceRequest request : requests) {
                Sequence sequence = new Sequence(
                        request,
                        submitted++,
                        TokenRules.of(request.sampling(), model.endIds()),
                        keys.root(request.adapter(), request.cacheSalt()),
                        model.llama().sharesPrefix(request.promptIds().length),
                        wake);
                sequences.add(sequence);
            }
            inFlight += sequences.size();
            arrivals.addAll(sequences);
        }
        wake.run();
        return sequences;
    }

    private void check(SequenceRequest request) {
        int vocab = model.llama().config().vocabSize();
        for (int id : request.promptIds()) {
            if (id < 0 || id >= vocab) {
                throw ServingException.invalid("prompt", "token id %d is not in 0..%d".formatted(id, vocab - 1));
            }
        }
        long tokens = (long) request.promptIds().length + request.maxNewTokens();
        if (tokens > contextMax) {
            throw new ServingException(
                    ErrorCode.CONTEXT_LENGTH_EXCEEDED,
                    "%d prompt tokens and up to %d new ones are more than the context of %d tokens"
                            .formatted(request.promptIds().length, request.maxNewTokens(), contextMax));
        }
        SamplingParameters sampling = request.sampling();
        sampling.logitBias().keySet().forEach(id -> {
            if (id < 0 || id >= vocab) {
                throw ServingException.invalid("logit_bias", "token id %d is not in 0..%d".formatted(id, vocab - 1));
            }
        });
        sampling.stopIds().forEach(id -> {
            if (id < 0 || id >= vocab) {
                throw ServingException.invalid(
                        "stop_token_ids", "token id %d is not in 0..%d".formatted(id, vocab - 1));
            }
        });
        int biases = TokenRules.of(sampling, model.endIds()).entriesMax(sampling.minTokens());
        if (biases > limits.biasMax()) {
            throw ServingException.invalid(
                    "logit_bias", "%d biased or banned tokens, at most %d".formatted(biases, limits.biasMax()));
        }
        int top = Math.max(sampling.topLogprobs(), request.promptTopLogprobs());
        if (top > limits.topLogprobsMax()) {
            throw ServingException.invalid(
                    "top_logprobs", "%d alternatives, at most %d".formatted(top, limits.topLogprobsMax()));
        }
        if (request.eventsMax() > limits.eventsMax()) {
            throw new IllegalStateException(
                    "queue of %d events, at most %d".formatted(request.eventsMax(), limits.eventsMax()));
        }
    }

    private String unavailable() {
        return switch (state) {
            case RUNNING, DRAINING -> "the server is shutting down";
            case STOPPED -> "the server has stopped";
            case FAILED -> "the device failed: " + failure;
        };
    }

    /** Until the queue has moved up by what waits in it, at the pace of the last ends. */
    private Duration retryAfter() {
        double nanos = nanosBetweenEnds * Math.max(1, inFlight - limits.maxRunning());
        Duration wait = Duration.ofSeconds((long) Math.ceil(nanos / 1e9));
        return wait.compareTo(RETRY_MIN) < 0 ? RETRY_MIN : wait.compareTo(RETRY_MAX) > 0 ? RETRY_MAX : wait;
    }

    // ---- engine thread

    /** Hands new sequences over; false once the engine is to stop. */
    synchronized boolean moveTo(Scheduler scheduler) {
        while (!arrivals.isEmpty()) {
            scheduler.enqueue(arrivals.removeFirst());
        }
        return !stopRequested && (state == EngineState.RUNNING || inFlight > 0);
    }

    synchronized void ended() {
        inFlight--;
        long now = System.nanoTime();
        if (lastEndNanos != 0) {
            double interval = now - lastEndNanos;
            nanosBetweenEnds = nanosBetweenEnds == 0 ? interval : nanosBetweenEnds * (1 - NEWEST) + interval * NEWEST;
        }
        lastEndNanos = now;
    }

    void stopped(Scheduler scheduler) {
        close(EngineState.STOPPED, "", scheduler);
        scheduler.failAll(new ServingException(ErrorCode.UNAVAILABLE, "the server is shutting down"));
    }

    void failed(Scheduler scheduler, Throwable cause) {
        close(EngineState.FAILED, String.valueOf(cause.getMessage()), scheduler);
        scheduler.failAll(new ServingException(ErrorCode.UNAVAILABLE, unavailable(), cause));
    }

    private synchronized void close(EngineState end, String reason, Scheduler scheduler) {
        state = end;
        failure = reason;
        moveTo(scheduler);
    }

    // ---- any thread

    synchronized void drain() {
        if (state == EngineState.RUNNING) {
            state = EngineState.DRAINING;
        }
    }

    synchronized void stop() {
        stopRequested = true;
    }

    synchronized EngineState state() {
        return state;
    }

    synchronized String failure() {
        return failure;
    }

    synchronized int inFlight() {
        return inFlight;
    }

    synchronized long refused() {
        return refused;
    }
}
