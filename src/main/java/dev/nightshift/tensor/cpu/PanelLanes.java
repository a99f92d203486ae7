package dev.nightshift.tensor.cpu;

/** The matrix product of rows of x with a panel of weights that lies in the cache. */
interface PanelLanes {

    /**
     * {@code totals[m][r] += scale[s][r] * (sum over the k of segment s of x[m][k] * panel[k][r])}, segment by segment. For
     * every (m, r) this is the chain of {@link FourBitLanes#row}.
     *
     * @param x row m starts at {@code xo + m * ld}
     * @param panel [segments * segment][tileRows] from {@code po}
     * @param scales [segments][tileRows] from {@code so}
     * @param totals [rows][tileRows] from {@code to}
     */
    void multiply(
            float[] x,
            int xo,
            int ld,
            int rows,
            float[] panel,
            int po,
            int segments,
            int segment,
            float[] scales,
            int so,
            float[] totals,
            int to);

    /** {@code count} totals to native memory, a bias added unless its address is 0. */
    void store(float[] totals, int from, int count, long bias, long out);
}
