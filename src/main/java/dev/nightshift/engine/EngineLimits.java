package dev.nightshift.engine;

import dev.nightshift.model.BatchLimits;
import dev.nightshift.model.Buckets;
import java.time.Duration;
import java.util.Objects;

/**
 * Every bound of the engine; the values come from settings.
 *
 * @param maxRunning sequences in one step at most
 * @param maxQueued sequences that wait beyond those that run; more are refused with QUEUE_FULL
 * @param maxContext tokens of a sequence, prompt and new ones together
 * @param chunkRows rows of a step while no sequence decodes
 * @param chunkRowsBesideDecode rows of a step while one does; smaller, as each waits for the whole step
 * @param scoreRows prompt positions scored per step; each costs a row of logits
 * @param topLogprobsMax alternatives reported per token
 * @param biasMax entries of logit bias and banned tokens per sequence
 * @param historySlots sequences with penalties that run at once; one costs a vocabulary of counts
 * @param eventsMax bound of a reader's queue
 * @param readerPatience how long a sequence waits for a reader that takes nothing
 * @param prefixCache whether full blocks are shared between sequences
 * @param idleSlice budget of idle work while nothing runs
 * @param busySlice budget of idle work after each step; zero = none while chat runs
 */
public record EngineLimits(
        int maxRunning,
        int maxQueued,
        int maxContext,
        int chunkRows,
        int chunkRowsBesideDecode,
        int scoreRows,
        int topLogprobsMax,
        int biasMax,
        int historySlots,
        int eventsMax,
        Duration readerPatience,
        boolean prefixCache,
        Duration idleSlice,
        Duration busySlice) {
    public EngineLimits {
        Objects.requireNonNull(readerPatience, "readerPatience is null");
        Objects.requireNonNull(idleSlice, "idleSlice is null");
        Objects.requireNonNull(busySlice, "busySlice is null");
        if (maxRunning < 1 || maxQueued < 0 || maxContext < 2 || scoreRows < 1 || topLogprobsMax < 0) {
            throw new IllegalStateException("max-running %d, max-queued %d, max-context %d, score rows %d, top %d"
                    .formatted(maxRunning, maxQueued, maxContext, scoreRows, topLogprobsMax));
        }
        if (biasMax < 1 || historySlots < 1 || eventsMax < 1) {
            throw new IllegalStateException(
                    "bias %d, history slots %d, events %d".formatted(biasMax, historySlots, eventsMax));
        }
        // With a row for each running sequence a prompt always gets on, whatever decodes beside it.
        if (chunkRowsBesideDecode < maxRunning || chunkRows < chunkRowsBesideDecode) {
            throw new IllegalStateException("chunk of %d rows, %d beside decode, for %d running sequences"
                    .formatted(chunkRows, chunkRowsBesideDecode, maxRunning));
        }
    }

    /** The defaults of README's settings table. */
    public static EngineLimits defaults() {
        return new EngineLimits(
                64,
                256,
                8192,
                512,
                128,
                64,
                20,
                320,
                64,
                256,
                Duration.ofSeconds(30),
                true,
                Duration.ofMillis(200),
                Duration.ZERO);
    }

    /** What the model must be planned for. */
    public BatchLimits batchLimits(int blockTokens) {
        return new BatchLimits(
                chunkRows,
                maxRunning,
                Buckets.size(maxRunning) + Buckets.size(scoreRows),
                Math.ceilDiv(maxContext, blockTokens));
    }
}
