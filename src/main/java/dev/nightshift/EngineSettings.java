package dev.nightshift;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;

/** The engine's limits. */
@ConfigMapping(prefix = "nightshift")
public interface EngineSettings {

    /** Sequences that share the steps. */
    @WithDefault("64")
    int maxRunning();

    /** Sequences that wait for a place; more are refused with 429. */
    @WithDefault("256")
    int maxQueued();

    /** Rows of one step: prompts are cut into chunks that fit beside the running sequences. */
    @WithDefault("512")
    int stepTokens();

    /** Tokens of a block of the key-value cache; a prefix is shared in whole blocks. */
    @WithDefault("16")
    int kvBlockTokens();

    /** Whether full prompt blocks are kept and shared between requests. */
    @WithDefault("true")
    boolean prefixCache();

    /** Tokens a slow reader may lag behind before its sequence is cancelled. */
    @WithDefault("1024")
    int readerLag();
}
