package dev.nightshift.tensor.cpu;

/** The matrix product of rows of x with a panel of weights that lies in the cache. */
interface PanelLanes {
    /** Rows of x that are packed together, as {@link RowGroups} does; at most {@link #LARGEST_GROUP}. */
    int group();

    int LARGEST_GROUP = 4;

    /**
     * {@code totals[m][r] += scale[s][r] * (sum over the k of segment s of x[m][k] * panel[k][r])}, segment by segment. For
     * every (m, r) this is the chain of {@link FourBitLanes#row}.
     *
     * @param x packed rows from {@code xo}, groups {@code stride} apart
     * @param panel [segments * segment][tileRows] from {@code po}
     * @param scales [segments][tileRows] from {@code so}
     * @param totals [groups * group][tileRows]
     */
    void multiply(
            Floats x,
            int xo,
            int stride,
            int groups,
            Floats panel,
            int po,
            int segments,
            int segment,
            Floats scales,
            int so,
            Floats totals);

    /** {@code count} totals to native memory, a bias added unless its address is 0; the bias may lie at {@code out}. */
    void store(float[] totals, int from, int count, long bias, long out);
}
