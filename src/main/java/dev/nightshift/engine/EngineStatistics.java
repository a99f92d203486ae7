package dev.nightshift.engine;

import java.time.Duration;

/**
 * What an engine has done since its start, for metrics.
 *
 * @param running sequences in the steps; {@code waiting} are the other ones submitted and not ended
 * @param blocksUsed blocks in use by sequences or lent, of {@code blocks}
 * @param prefixQueriedTokens prompt tokens looked up in the prefix cache, of which {@code prefixHitTokens} were found
 * @param stepTime sum over all steps
 */
public record EngineStatistics(
        int running,
        int waiting,
        int blocks,
        int blocksUsed,
        long prefixQueriedTokens,
        long prefixHitTokens,
        long preemptions,
        long promptTokens,
        long generatedTokens,
        long finished,
        long cancelled,
        long failed,
        long refused,
        long steps,
        long stepRows,
        Duration stepTime,
        Duration lastStepTime,
        Duration idleTime) {

    /** Whether any sequence is inside, from its submission to its end. */
    public boolean busy() {
        return running + waiting > 0;
    }

    /** Share of the key-value cache in use, 0 to 1. */
    public double kvUsage() {
        return (double) blocksUsed / blocks;
    }
}
