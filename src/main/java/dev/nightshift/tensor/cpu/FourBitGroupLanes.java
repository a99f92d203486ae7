package dev.nightshift.tensor.cpu;

/** A few rows of x against a tile of a 4-bit weight ({@link FourBitLanes}), where they are too few to pay for a panel. */
interface FourBitGroupLanes {

    /**
     * A group of rows of x at once: {@code totals[m][r] += sum over segments of scale[r] * (sum over k of x[k][m] * code(r,
     * k))}, each (m, r) the chain of {@link FourBitLanes#row}.
     *
     * @param x packed rows as {@link PanelLanes#GROUP} has them, from {@code xo}
     * @param totals [GROUP][tileRows] from {@code to}
     */
    void group(float[] x, int xo, long tile, int segments, int segment, int[] table, float[] totals, int to);
}
