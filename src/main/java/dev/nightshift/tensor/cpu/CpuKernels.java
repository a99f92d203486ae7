package dev.nightshift.tensor.cpu;

/** What the CPU backend's inner loops are made of. Results are the same to the bit. */
public enum CpuKernels {
    /** Machine code where there is some for this processor and the system allows it, the Vector API for all else. */
    AUTO,
    /** The Vector API alone. */
    VECTOR
}
