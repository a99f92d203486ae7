package dev.nightshift.train;

/** Cosines and sines of positions, as the model computes them for a sequence of the given length. */
public interface RotaryTable {
    /** Writes [positions, headDim] floats from {@code offset}: per position the cosines [headDim / 2], then the sines. */
    void fill(int[] positions, int sequenceLength, float[] cosSin, int offset);
}
