package dev.nightshift.tensor;

/** The parts of the one memory budget. */
public enum MemoryPart {
    WEIGHTS,
    KV_BLOCKS,
    ADAPTER_SLOTS,
    WORKSPACE,
    TRAINING,
    OPTIMIZER
}
