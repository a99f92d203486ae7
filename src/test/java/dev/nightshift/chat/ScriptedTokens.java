package dev.nightshift.chat;

import dev.nightshift.engine.FinishReason;
import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.engine.TokenEvent.Scored;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;

/** An engine that plays a written script: sequence i gets the events of script i, as fast as the test lets it. */
final class ScriptedTokens implements TokenSource {
    final List<SequenceRequest> requests = new ArrayList<>();
    final List<Played> played = new ArrayList<>();
    private final List<List<TokenEvent>> scripts;
    private final int aheadMax;
    RuntimeException refusal;

    /** @param aheadMax events that are there before the test asks for more */
    ScriptedTokens(int aheadMax, List<List<TokenEvent>> scripts) {
        this.aheadMax = aheadMax;
        this.scripts = scripts;
    }

    /** Tokens, then the end token {@code stopId} or, if that is negative, the length. */
    static List<TokenEvent> script(int stopId, int... ids) {
        List<TokenEvent> events = new ArrayList<>();
        for (int id : ids) {
            events.add(new TokenEvent.Token(scored(id)));
        }
        events.add(
                stopId >= 0
                        ? new TokenEvent.Finished(FinishReason.STOP, stopId, scored(stopId), 0)
                        : new TokenEvent.Finished(FinishReason.LENGTH, -1, null, 0));
        return events;
    }

    /** A score that says which token it is of, with one alternative. */
    static Scored scored(int id) {
        return new Scored(id, -id / 1000f, new int[] {id, 7}, new float[] {-id / 1000f, -9});
    }

    @Override
    public List<Played> submit(List<SequenceRequest> submitted) {
        if (refusal != null) {
            throw refusal;
        }
        for (SequenceRequest request : submitted) {
            Played sequence = new Played(scripts.get(played.size() % scripts.size()), request);
            requests.add(request);
            played.add(sequence);
            sequence.release(aheadMax);
        }
        return played.subList(played.size() - submitted.size(), played.size());
    }

    final class Played implements Tokens {
        private final Queue<TokenEvent> coming;
        private final Queue<TokenEvent> there = new ArrayDeque<>();
        private final SequenceRequest request;
        boolean cancelled;

        Played(List<TokenEvent> script, SequenceRequest request) {
            this.coming = new ArrayDeque<>(script);
            this.request = request;
        }

        /** Lets the engine make so many events. */
        synchronized void release(int events) {
            for (int i = 0; i < events && !coming.isEmpty(); i++) {
                TokenEvent event = coming.poll();
                there.add(event);
                if (event instanceof TokenEvent.Finished || event instanceof TokenEvent.Failed) {
                    request.adapter().release().run();
                }
                request.eventsReady().run();
            }
        }

        @Override
        public synchronized TokenEvent poll() {
            return there.poll();
        }

        @Override
        public synchronized void cancel() {
            if (!cancelled && !coming.isEmpty()) {
                coming.clear();
                coming.add(new TokenEvent.Finished(FinishReason.CANCELLED, -1, null, 5));
                release(1);
            }
            cancelled = true;
        }
    }

    static int[] concat(int[] left, int... right) {
        int[] both = Arrays.copyOf(left, left.length + right.length);
        System.arraycopy(right, 0, both, left.length, right.length);
        return both;
    }
}
