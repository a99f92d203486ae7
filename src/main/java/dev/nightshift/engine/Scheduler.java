package dev.nightshift.engine;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.Llama;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/**
 * Decides what each step computes: first a row for every sequence that decodes, then chunks of prompts in order of admission.
 * Sequences are admitted first come, first served, with blocks for all their tokens, but those whose adapter has no device slot
 * yet are passed over until it has, which the adapter's side sees to in order; where a decoding one finds no block, the newest is
 * preempted, goes to the front of the queue and is computed again later. The oldest one that can run always gets
 * on, so there is no livelock. Engine thread only.
 */
final class Scheduler {
    private final Llama llama;
    private final EngineLimits limits;
    private final BlockPool pool;
    private final Sampler sampler;
    private final EngineCounters counters;
    private final Runnable onEnded;
    private final PrefixCache prefixes;
    private final int blockTokens;
    private final List<Sequence> running;
    private final ArrayDeque<Sequence> waiting = new ArrayDeque<>();
    private final Step step;

    /** @param onEnded told once for each sequence that ends */
    Scheduler(
            EngineModel model,
            EngineLimits limits,
            BlockPool pool,
            PrefixCache prefixes,
            Sampler sampler,
            EngineCounters counters,
            Runnable onEnded) {
        this.llama = model.llama();
        this.limits = limits;
        this.pool = pool;
        this.prefixes = prefixes;
        this.sampler = sampler;
        this.counters = counters;
        this.onEnded = onEnded;
        this.blockTokens = model.kv().layout().blockTokens();
        this.running = new ArrayList<>(limits.maxRunning());
        this.step = new Step(limits, blockTokens);
    }

    void enqueue(Sequence sequence) {
        waiting.addLast(sequence);
    }

    /** The next step; empty if there is nothing to compute. */
    Step next() {
        endAbandoned(System.nanoTime());
        admit();
        step.clear();
        boolean decoding = planDecode();
        planPrompts(decoding ? limits.chunkRowsBesideDecode() : limits.chunkRows());
        if (!step.isEmpty()) {
            step.write(llama);
        }
        counters.running = running.size();
        return step;
    }

    /** Whether any sequence is admitted or waits. */
    boolean hasSequences() {
        return !running.isEmpty() || !waiting.isEmpty();
    }

    // ---- next

    /** Cancelled, late and unread sequences leave before the step, with all they hold. */
    private void endAbandoned(long now) {
        for (int i = running.size() - 1; i >= 0; i--) {
            Sequence sequence = running.get(i);
            TokenEvent end = abandoned(sequence, now);
            if (end != null) {
                end(sequence, end);
            }
        }
        if (waiting.isEmpty()) {
            return;
        }
        for (Iterator<Sequence> i = waiting.iterator(); i.hasNext(); ) {
            Sequence sequence = i.next();
            TokenEvent end = abandoned(sequence, now);
            if (end != null) {
                i.remove();
                end(sequence, end);
            }
        }
    }

    /** The event a sequence ends with without being computed further, or null. */
    private TokenEvent abandoned(Sequence sequence, long now) {
        if (sequence.cancelRequested()) {
            return new TokenEvent.Finished(FinishReason.CANCELLED, -1, null, Math.max(0, sequence.cachedPromptTokens));
        }
        if (sequence.deadlineNanos != Long.MAX_VALUE && now - sequence.deadlineNanos >= 0) {
            return new TokenEvent.Failed(new ServingException(
                    ErrorCode.REQUEST_TIMEOUT,
                    "deadline passed after %d new tokens of %d"
                            .formatted(sequence.generated(), sequence.request.maxNewTokens())));
        }
        if (sequence.hasRoom()) {
            sequence.fullSinceNanos = 0;
        } else if (sequence.fullSinceNanos == 0) {
            sequence.fullSinceNanos = Math.max(1, now);
        } else if (now - sequence.fullSinceNanos > limits.readerPatience().toNanos()) {
            return new TokenEvent.Failed(new ServingException(
                    ErrorCode.REQUEST_TIMEOUT,
                    "%d events not read for %s".formatted(sequence.queuedEvents(), limits.readerPatience())));
        }
        return null;
    }

    private void admit() {
        if (waiting.isEmpty()) {
            return;
        }
        for (Iterator<Sequence> i = waiting.iterator(); i.hasNext() && running.size() < limits.maxRunning(); ) {
            Sequence sequence = i.next();
            if (sequence.target() == 0) {
                i.remove();
                endPromptOnly(sequence);
                continue;
            }
            ServingException refusal = null;
            try {
                if (!sequence.placed()) {
                    continue; // the others don't wait for its adapter
                }
            } catch (ServingException e) {
                refusal = e;
            }
            if (refusal != null) {
                i.remove();
                end(sequence, new TokenEvent.Failed(refusal));
            } else if (admit(sequence)) {
                i.remove();
                running.add(sequence);
            } else {
                return;
            }
        }
    }

    private boolean admit(Sequence sequence) {
        boolean history = Sampler.needsHistory(sequence.request.sampling());
        if (history && !sampler.historyAvailable()) {
            return false;
        }
        // A block beside each running sequence keeps a newcomer from being preempted a few tokens later.
        if (!prefixes.claimBlocks(sequence, running.size())) {
            return false;
        }
        if (history) {
            sampler.openHistory(sequence);
        }
        if (sequence.cachedPromptTokens < 0) {
            sequence.cachedPromptTokens = Math.min(sequence.computed, sequence.promptTokens());
            counters.prefixQueriedTokens += sequence.promptTokens();
            counters.prefixHitTokens += sequence.cachedPromptTokens;
        }
        return true;
    }

    /** @return whether any sequence decodes */
    private boolean planDecode() {
        boolean decoding = false;
        // The list shrinks while it is walked: preempted sequences leave it.
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            if (sequence.target() - sequence.computed != 1 || !sequence.hasRoom()) {
                continue;
            }
            if (!findBlock(sequence)) {
                break; // it was the last one
            }
            step.add(sequence, 1);
            decoding |= sequence.generated() > 0;
            i = running.indexOf(sequence);
        }
        return decoding;
    }

    private void planPrompts(int rowsMax) {
        for (int i = 0; i < running.size() && step.rows() < rowsMax; i++) {
            Sequence sequence = running.get(i);
            int left = sequence.target() - sequence.computed;
            if (left > 1 && sequence.hasRoom()) {
                step.add(sequence, Math.min(left, rowsMax - step.rows()));
            }
        }
    }

    /** Makes sure that the sequence has a block for its next token; false if it was preempted itself. */
    private boolean findBlock(Sequence sequence) {
        while (sequence.blockCount * blockTokens <= sequence.computed) {
            int block = pool.allocate();
            if (block >= 0) {
                sequence.addBlock(block);
                continue;
            }
            Sequence victim = victim();
            preempt(victim);
            if (victim == sequence) {
                return false;
            }
        }
        return true;
    }

    /** The newest sequence that waits for its reader, else the newest of all: never one that stands in the step already. */
    private Sequence victim() {
        for (int i = running.size() - 1; i >= 0; i--) {
            if (!running.get(i).hasRoom()) {
                return running.get(i);
            }
        }
        return running.getLast();
    }

    private void preempt(Sequence sequence) {
        running.remove(sequence);
        giveUp(sequence);
        waiting.addFirst(sequence);
        counters.preemptions++;
    }

    // ---- commit

    /** Books what the step computed and sends the new tokens. */
    void commit(Step done, SamplingBatch results) {
        for (int i = 0; i < done.size(); i++) {
            Sequence sequence = done.sequence(i);
            int before = sequence.computed;
            sequence.computed += done.count(i);
            int prompt = sequence.promptTokens();
            counters.promptTokens += Math.max(0, Math.min(prompt, sequence.computed) - before);
            prefixes.register(sequence);
        }
        for (int row = 0; row < done.scoreRows(); row++) {
            commitScore(done.scored(row), done.scoredPosition(row), row, results);
        }
        for (int row = 0; row < done.sampleRows(); row++) {
            Sequence sequence = done.sampled(row);
            if (!sequence.ended) {
                commitToken(sequence, row, results);
            }
        }
    }

    private void commitScore(Sequence sequence, int position, int row, SamplingBatch results) {
        if (sequence.ended) {
            return;
        }
        int id = sequence.token(position + 1);
        TokenEvent.Scored scored = results.promptScore(row, id, sequence.request.promptTopLogprobs());
        if (Float.isNaN(scored.logprob())) {
            endNonFinite(sequence, position);
            return;
        }
        sequence.promptScores.add(scored);
        if (sequence.promptScores.size() == sequence.promptTokens() - 1) {
            sequence.sendPromptScores();
            if (sequence.request.maxNewTokens() == 0) {
                end(sequence, finished(sequence, FinishReason.LENGTH));
            }
        }
    }

    private void commitToken(Sequence sequence, int row, SamplingBatch results) {
        if (sequence.promptScoresPending()) {
            sequence.sendPromptScores(); // a prompt of one token has nothing to score
        }
        int id = results.id(row);
        if (id < 0) {
            endNonFinite(sequence, sequence.length() - 1);
            return;
        }
        TokenEvent.Scored scored =
                results.sampledScore(row, sequence.request.sampling().topLogprobs());
        counters.generatedTokens++;
        if (sequence.rules.stops(id)) {
            end(sequence, new TokenEvent.Finished(FinishReason.STOP, id, scored, sequence.cachedPromptTokens));
            return;
        }
        sequence.append(id);
        sequence.send(new TokenEvent.Token(scored));
        if (sequence.generated() == sequence.request.maxNewTokens()) {
            end(sequence, finished(sequence, FinishReason.LENGTH));
        }
    }

    private void endPromptOnly(Sequence sequence) {
        if (sequence.promptScoresPending()) {
            sequence.sendPromptScores();
        }
        end(sequence, finished(sequence, FinishReason.LENGTH));
    }

    private static TokenEvent finished(Sequence sequence, FinishReason reason) {
        return new TokenEvent.Finished(reason, -1, null, Math.max(0, sequence.cachedPromptTokens));
    }

    private void endNonFinite(Sequence sequence, int position) {
        prefixes.forget(sequence);
        end(
                sequence,
                new TokenEvent.Failed(new ServingException(
                        ErrorCode.NON_FINITE_LOGITS,
                        "the model gave logits that are no numbers at position " + position)));
    }

    // ---- both

    private void end(Sequence sequence, TokenEvent event) {
        running.remove(sequence);
        giveUp(sequence);
        switch (event) {
            case TokenEvent.Failed failed -> counters.failed++;
            case TokenEvent.Finished finished when finished.reason() == FinishReason.CANCELLED -> counters.cancelled++;
            case TokenEvent.Finished finished -> counters.finished++;
            case TokenEvent.Token token -> throw new IllegalStateException("a token is no end");
            case TokenEvent.PromptScores scores -> throw new IllegalStateException("prompt scores are no end");
        }
        sequence.end(event);
        onEnded.run();
    }

    private void giveUp(Sequence sequence) {
        prefixes.releaseBlocks(sequence);
        sampler.closeHistory(sequence);
    }

    /** Ends everything with the same failure. */
    void failAll(ServingException failure) {
        while (!running.isEmpty()) {
            end(running.getLast(), new TokenEvent.Failed(failure));
        }
        while (!waiting.isEmpty()) {
            end(waiting.removeFirst(), new TokenEvent.Failed(failure));
        }
        counters.running = 0;
    }
}
