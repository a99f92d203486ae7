package dev.nightshift.tensor.cpu;

/** A few rows of x against a stretch of a 4-bit weight's tiles ({@link FourBitLanes}), where they are too few to pay for a panel. */
interface FewRowsLanes {
    /** Where there is nothing faster than a panel. */
    FewRowsLanes NONE = new FewRowsLanes() {
        @Override
        public int most() {
            return 0;
        }

        @Override
        public long scratchBytes(int count) {
            return 0;
        }

        @Override
        public void multiply(
                long x,
                long xRow,
                int rows,
                Tiles.FourBit tiles,
                int tile,
                int count,
                long out,
                long outRow,
                long scratch) {
            throw new IllegalStateException("no kernel for a few rows");
        }
    };

    /** Rows of one call. */
    int most();

    /** Memory that a call over {@code count} tiles needs for itself. */
    long scratchBytes(int count);

    /**
     * {@code out[m][r] = sum over segments of scale[r] * (sum over k of x[m][k] * w(r, k))}, each (m, r) the chain of {@link
     * FourBitLanes#row}.
     *
     * @param x address of the first row, F32
     * @param xRow bytes from one row of x to the next
     * @param rows 1 to {@link #most}
     * @param count tiles from {@code tile} on, all of whose rows exist
     * @param out address of the first row's element of the first tile's first row, F32
     * @param outRow bytes from one row of out to the next
     */
    void multiply(
            long x, long xRow, int rows, Tiles.FourBit tiles, int tile, int count, long out, long outRow, long scratch);
}
