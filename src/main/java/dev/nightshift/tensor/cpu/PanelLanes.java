package dev.nightshift.tensor.cpu;

/** The matrix product of rows of x with a panel of weights that lies in the cache. */
interface PanelLanes {
    /** Rows of x that are packed together; at most {@link #LARGEST_GROUP}. */
    int group();

    /** Whether rows of so many k are packed by {@link RowGroups#packOctets}, else by {@link RowGroups#pack}. */
    boolean octets(int columns);

    int LARGEST_GROUP = 6;

    /**
     * {@code totals[m][r] += scale[s][r] * (sum over the k of segment s of x[m][k] * panel[k][r])}, segment by segment. For
     * every (m, r) this is the chain of {@link FourBitLanes#row}.
     */
    void multiply(PanelProduct product, int groups);

    /**
     * {@link #multiply} of so many rows, whose last groups may lack some; then their totals, whole tiles, go to native memory. What is
     * left in {@code totals} is undefined.
     *
     * @param out where the first row's go, F32
     * @param outRow bytes to the next one's
     */
    void finish(PanelProduct product, int rows, long out, long outRow);

    /** {@code count} totals to native memory, a bias added unless its address is 0; the bias may lie at {@code out}. */
    void store(float[] totals, int from, int count, long bias, long out);
}
