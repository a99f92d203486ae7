package dev.nightshift.engine;

import dev.nightshift.adapter.AdapterLease;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A prompt on its way through the engine. Readers use the public methods from any thread; all else belongs to the engine's
 * thread.
 */
public final class Sequence {
    private static final System.Logger LOG = System.getLogger(Sequence.class.getName());
    private static final int TOKENS_AHEAD = 64;

    final SequenceRequest request;
    final long id;
    final TokenRules rules;
    /** Of {@link System#nanoTime}; MAX_VALUE = none. */
    final long deadlineNanos;

    private final EventQueue events;
    private final Runnable wakeEngine;
    private volatile boolean cancelRequested;

    // ---- engine thread only
    private int[] tokens;
    private int length;
    /** Tokens whose keys and values are in the cache. */
    int computed;

    int[] blocks = new int[8];
    int blockCount;
    /** Keys of the full blocks so far, in order; the first {@code registered} of them have been offered to the cache. */
    final List<BlockKey> blockKeys = new ArrayList<>();

    int registered;
    final BlockKey rootKey;
    final boolean sharesPrefix;
    /** Row of the penalty history while running, or -1. */
    int historySlot = -1;

    /** Device slot of its adapter, -1 = base model, {@link AdapterLease#WAITING} before it has one. */
    private int adapterSlot;

    int cachedPromptTokens = -1;
    /** Since when the reader's queue is full; 0 = it has room. */
    long fullSinceNanos;

    List<TokenEvent.Scored> promptScores;
    private boolean promptScoresSent;
    boolean ended;

    Sequence(
            SequenceRequest request,
            long id,
            TokenRules rules,
            BlockKey rootKey,
            boolean sharesPrefix,
            Runnable wakeEngine) {
        this.request = request;
        this.id = id;
        this.rules = rules;
        this.rootKey = rootKey;
        this.sharesPrefix = sharesPrefix;
        this.wakeEngine = wakeEngine;
        this.adapterSlot = request.adapter().isBase() ? -1 : AdapterLease.WAITING;
        this.events = new EventQueue(request.eventsMax());
        this.length = request.promptIds().length;
        this.tokens = Arrays.copyOf(request.promptIds(), length + Math.min(request.maxNewTokens(), TOKENS_AHEAD));
        this.promptScores = scoresPrompt() ? new ArrayList<>(length) : List.of();
        this.promptScoresSent = !scoresPrompt();
        this.deadlineNanos = request.deadline()
                .map(deadline -> System.nanoTime() + nanosUntil(deadline))
                .orElse(Long.MAX_VALUE);
    }

    private static long nanosUntil(Instant deadline) {
        Duration left = Duration.between(Instant.now(), deadline);
        // Beyond a century a deadline is none; it would overflow the nanosecond clock.
        return left.toDays() > 36_500 ? Long.MAX_VALUE / 2 : left.toNanos();
    }

    // ---- readers

    /** The next event, or null if none is there. After {@link TokenEvent.Finished} or Failed there are no more. */
    public TokenEvent poll() {
        boolean wasFull = !events.hasRoom();
        TokenEvent event = events.poll();
        if (wasFull) {
            wakeEngine.run();
        }
        return event;
    }

    /** Waits for the next event; null after {@code timeout}. */
    public TokenEvent take(Duration timeout) throws InterruptedException {
        boolean wasFull = !events.hasRoom();
        TokenEvent event = events.take(timeout);
        if (wasFull) {
            wakeEngine.run();
        }
        return event;
    }

    /** Ends the sequence; its blocks are free before the next step. May be called at any time, any number of times. */
    public void cancel() {
        cancelRequested = true;
        wakeEngine.run();
    }

    public int promptTokens() {
        return request.promptIds().length;
    }

    // ---- engine

    boolean cancelRequested() {
        return cancelRequested;
    }

    /** Whether its adapter, if it has one, lies on the device; asks for it if not. */
    boolean placed() {
        if (adapterSlot == AdapterLease.WAITING) {
            adapterSlot = request.adapter().slot();
        }
        return adapterSlot != AdapterLease.WAITING;
    }

    int adapterSlot() {
        return adapterSlot;
    }

    int length() {
        return length;
    }

    int token(int position) {
        return tokens[position];
    }

    int[] tokens() {
        return tokens;
    }

    int generated() {
        return length - request.promptIds().length;
    }

    void append(int token) {
        if (length == tokens.length) {
            int most = request.promptIds().length + request.maxNewTokens();
            tokens = Arrays.copyOf(tokens, Math.min(most, length + Math.max(TOKENS_AHEAD, length / 2)));
        }
        tokens[length++] = token;
    }

    boolean scoresPrompt() {
        return request.promptTopLogprobs() >= 0;
    }

    /** Tokens that must be computed before the next decision: all, or all but the last when only the prompt is scored. */
    int target() {
        if (request.maxNewTokens() > 0) {
            return length;
        }
        return scoresPrompt() ? length - 1 : 0;
    }

    /** Whether the token after {@code position} still lacks its score. */
    boolean needsScore(int position) {
        return !promptScoresSent && position >= promptScores.size() && position + 1 < request.promptIds().length;
    }

    boolean promptScoresPending() {
        return !promptScoresSent;
    }

    void addBlock(int block) {
        if (blockCount == blocks.length) {
            blocks = Arrays.copyOf(blocks, blocks.length * 2);
        }
        blocks[blockCount++] = block;
    }

    boolean hasRoom() {
        return events.hasRoom();
    }

    int queuedEvents() {
        return events.size();
    }

    void sendPromptScores() {
        promptScoresSent = true;
        events.add(new TokenEvent.PromptScores(promptScores));
        promptScores = List.of();
        notifyReader();
    }

    void send(TokenEvent event) {
        events.add(event);
        notifyReader();
    }

    /** Closes the event stream and gives the adapter back; blocks are the scheduler's business. */
    void end(TokenEvent event) {
        if (ended) {
            return;
        }
        ended = true;
        promptScores = List.of();
        events.end(event);
        notifyReader();
        try {
            request.adapter().release().run();
        } catch (RuntimeException e) {
            LOG.log(
                    System.Logger.Level.ERROR,
                    "release of adapter " + request.adapter().digest() + " failed",
                    e);
        }
    }

    private void notifyReader() {
        try {
            request.eventsReady().run();
        } catch (RuntimeException e) {
            // A reader's fault must not stop the other sequences.
            LOG.log(System.Logger.Level.ERROR, "reader of sequence " + id + " failed, cancelled", e);
            cancelRequested = true;
        }
    }
}
