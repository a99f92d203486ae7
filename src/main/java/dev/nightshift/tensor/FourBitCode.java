package dev.nightshift.tensor;

/** The 4-bit code books of bitsandbytes; the tables stand in {@code quant}. */
public enum FourBitCode {
    NF4,
    FP4
}
