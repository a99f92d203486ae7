package dev.nightshift.engine;

/** Why a sequence ended without failure. */
public enum FinishReason {
    /** An end or stop token, or the reader found a stop string. */
    STOP,
    /** {@code maxNewTokens} or the context's end. */
    LENGTH,
    /** The reader went away. */
    CANCELLED
}
