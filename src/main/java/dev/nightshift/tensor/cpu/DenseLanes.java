package dev.nightshift.tensor.cpu;

/**
 * Inner loops over a tile of a 16-bit weight: for every pair of k one int a row, k in its low half, k + 1 in its high half,
 * {@code 4 * lanes} rows side by side. Sums are cut into segments as those of 4-bit weights are, with scales of 1.
 */
interface DenseLanes {

    /** One row of x with BF16 weights: {@code total[r] += sum over segments of (sum over k of x[k] * w(r, k))}. */
    void bf16Row(float[] x, long tile, int columns, int segment, float[] total);

    /** BF16 weights of {@code columns} k as floats: panel [k][tileRows]; an odd last k leaves one row of zeros more. */
    void bf16Panel(long tile, int columns, float[] panel);

    /** The same for F16 weights, all of them finite. */
    void f16Panel(long tile, int columns, float[] panel);

    /**
     * BF16 weights turned to lie along k: {@code panel[to + r * tileRows + k]} for {@code pairs} pairs of k, at most half of
     * tileRows.
     */
    void bf16Turned(long tile, int pairs, float[] panel, int to);
}
