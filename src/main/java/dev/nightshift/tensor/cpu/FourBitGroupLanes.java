package dev.nightshift.tensor.cpu;

/** A few rows of x against a tile of a 4-bit weight ({@link FourBitLanes}), where they are too few to pay for a panel. */
interface FourBitGroupLanes {

    /** Rows of x that are packed together, as {@link RowGroups} does. */
    int GROUP = 4;

    /** Where {@link FewRowsLanes} does this work. */
    FourBitGroupLanes NONE = new FourBitGroupLanes() {
        @Override
        public int most() {
            return 0;
        }

        @Override
        public void groups(
                Floats x,
                int columns,
                int groups,
                long tile,
                int segments,
                int segment,
                CodeTable table,
                Floats totals) {
            throw new IllegalStateException("no kernel for groups of rows");
        }
    };

    /** Groups up to which this is faster than a panel. */
    int most();

    /**
     * Groups of rows of x: {@code totals[m][r] += sum over segments of scale[r] * (sum over k of x[m][k] * code(r, k))}, each (m,
     * r) the chain of {@link FourBitLanes#row}.
     *
     * @param x packed rows: [groups][columns][GROUP]
     * @param groups at most {@link #most}
     * @param totals [groups][GROUP][tileRows]
     */
    void groups(
            Floats x, int columns, int groups, long tile, int segments, int segment, CodeTable table, Floats totals);
}
