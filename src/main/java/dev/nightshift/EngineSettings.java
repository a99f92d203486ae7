package dev.nightshift;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;

/** The engine's limits. */
@ConfigMapping(prefix = "nightshift")
public interface EngineSettings {

    /** Sequences that share the steps. */
    @WithDefault("64")
    int maxRunning();

    /** Sequences that wait for a place; more are refused with 429. */
    @WithDefault("256")
    int maxQueued();

    /** Rows of a step while no sequence decodes: longer prompts are cut into chunks. */
    @WithDefault("512")
    int stepTokens();

    /** Rows of a step while some sequence decodes, which waits for the whole step; at least {@code max-running}. */
    @WithDefault("128")
    int busyStepTokens();

    /** Prompt tokens scored in a step (echo with log-probabilities); each costs a row of logits. */
    @WithDefault("64")
    int scoreTokens();

    /** Tokens of a block of the key-value cache; a prefix is shared in whole blocks. */
    @WithDefault("16")
    int kvBlockTokens();

    /** Whether full prompt blocks are kept and shared between requests. */
    @WithDefault("true")
    boolean prefixCache();

    /** A step that takes longer than this makes the server unready: the device hangs. */
    @WithDefault("2M")
    Duration stuckAfter();

    /** Tokens between engine and reader; a sequence whose reader lags further behind pauses. */
    @WithDefault("256")
    int readerLag();
}
