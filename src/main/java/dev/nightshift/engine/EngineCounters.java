package dev.nightshift.engine;

/** Counters that the engine's thread alone adds to and any thread may read. */
final class EngineCounters {
    volatile int running;
    volatile long prefixQueriedTokens;
    volatile long prefixHitTokens;
    volatile long preemptions;
    volatile long promptTokens;
    volatile long generatedTokens;
    volatile long finished;
    volatile long cancelled;
    volatile long failed;
    volatile long steps;
    volatile long stepRows;
    volatile long stepNanos;
    volatile long lastStepNanos;
    volatile long idleNanos;
    volatile long progressNanos = System.nanoTime();
}
