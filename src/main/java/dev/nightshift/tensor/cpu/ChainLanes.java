package dev.nightshift.tensor.cpu;

/** Products of blocks in the cache that go on with the chains they find in {@code totals}: four rows by two vectors at a time. */
interface ChainLanes {
    /** Floats of a row of totals and of a panel. */
    int COLUMNS = 32;
    /** Rows that lie side by side in packed factors. */
    int GROUP = 4;

    /** {@code totals[4 g + r][c] += sum over i < k of x[xo + g stride + 4 i + r] * panel[i][c]}. */
    void packed(Floats x, int xo, int stride, int groups, Floats panel, int po, int k, Floats totals, int to);

    /** {@code totals[r][c] += sum over i < COLUMNS of x[r][i] * panel[i][c]} for 4 {@code groups} rows of x, COLUMNS floats each. */
    void apart(Floats x, int xo, int groups, Floats panel, int po, Floats totals, int to);
}
