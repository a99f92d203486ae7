package dev.nightshift.engine;

import java.time.Duration;

/**
 * Whether the engine lives.
 *
 * @param reason why it failed, "" otherwise
 * @param sinceProgress time since the loop last came round; it does so at least once a second unless a step hangs
 */
public record EngineHealth(EngineState state, String reason, Duration sinceProgress) {}
