package dev.nightshift.api.http;

import dev.nightshift.chat.TokenSource;
import dev.nightshift.engine.FinishReason;
import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An engine whose sequences do what their {@code cache_salt} says ({@code script:<kind>:<name>}), so that tests can make a
 * request wait, drip, flood or fail; all other sequences go to the real one.
 */
public final class ScriptedEngine implements TokenSource {
    private final TokenSource real;
    private final int[] words;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
            task -> Thread.ofPlatform().daemon().name("script").unstarted(task));
    private static final Map<String, Scripted> RUNNING = new ConcurrentHashMap<>();

    /** @param words ids of some tokens with visible text */
    public ScriptedEngine(TokenSource real, int[] words) {
        this.real = real;
        this.words = words.clone();
    }

    /** The sequence of a script, once it is submitted. */
    public static Scripted sequence(String salt) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!RUNNING.containsKey(salt)) {
            if (System.nanoTime() > end) {
                throw new AssertionError("no sequence of " + salt);
            }
            Thread.sleep(2);
        }
        return RUNNING.get(salt);
    }

    @Override
    public List<? extends Tokens> submit(List<SequenceRequest> requests) {
        if (!requests.getFirst().cacheSalt().startsWith("script:")) {
            return real.submit(requests);
        }
        return requests.stream().map(this::start).toList();
    }

    private Scripted start(SequenceRequest request) {
        String salt = request.cacheSalt();
        Scripted sequence = new Scripted(request);
        RUNNING.put(salt, sequence);
        switch (salt.split(":")[1]) {
            case "wait" -> {}
            case "late" -> clock.schedule(() -> say(sequence, 2), 700, TimeUnit.MILLISECONDS);
            case "drip" -> drip(sequence);
            case "flood" -> sequence.endless = true;
            case "breaks" -> {
                sequence.put(token(0));
                sequence.put(token(1));
                sequence.put(new TokenEvent.Failed(
                        new ServingException(ErrorCode.NON_FINITE_LOGITS, "the logits of token 2 are not finite")));
            }
            case "full" ->
                throw new ServingException(ErrorCode.QUEUE_FULL, "256 sequences wait, the limit is 256")
                        .withRetryAfter(Duration.ofSeconds(3));
            case "conflict" -> throw new ServingException(ErrorCode.CONFLICT, "the job has ended");
            case "bug" -> throw new IllegalStateException("a secret of the implementation");
            default -> throw new IllegalStateException("no script " + salt);
        }
        return sequence;
    }

    private void say(Scripted sequence, int tokens) {
        for (int i = 0; i < tokens; i++) {
            sequence.put(token(i));
        }
        sequence.put(new TokenEvent.Finished(FinishReason.LENGTH, -1, null, 0));
    }

    private void drip(Scripted sequence) {
        if (!sequence.isCancelled()) {
            sequence.put(token(0));
            clock.schedule(() -> drip(sequence), 20, TimeUnit.MILLISECONDS);
        }
    }

    private TokenEvent token(int i) {
        return new TokenEvent.Token(new TokenEvent.Scored(words[i % words.length], -1f, new int[0], new float[0]));
    }

    /** One sequence. */
    public final class Scripted implements Tokens {
        private final SequenceRequest request;
        private final Queue<TokenEvent> events = new ArrayDeque<>();
        private final CountDownLatch cancelled = new CountDownLatch(1);
        public final AtomicLong polled = new AtomicLong();
        private volatile boolean endless;

        Scripted(SequenceRequest request) {
            this.request = request;
        }

        private void put(TokenEvent event) {
            synchronized (events) {
                events.add(event);
            }
            request.eventsReady().run();
        }

        @Override
        public TokenEvent poll() {
            if (endless && !isCancelled()) {
                polled.incrementAndGet();
                return token(0);
            }
            synchronized (events) {
                return events.poll();
            }
        }

        @Override
        public void cancel() {
            if (!isCancelled()) {
                cancelled.countDown();
                put(new TokenEvent.Finished(FinishReason.CANCELLED, -1, null, 0));
            }
        }

        boolean isCancelled() {
            return cancelled.getCount() == 0;
        }

        /** Whether it was cancelled within the time. */
        public boolean awaitCancelled(Duration timeout) throws InterruptedException {
            return cancelled.await(timeout.toMillis(), TimeUnit.MILLISECONDS);
        }
    }
}
