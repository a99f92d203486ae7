package dev.nightshift.tensor.cpu;

/** A few rows of x against a tile of a 16-bit weight ({@link DenseLanes}), where they are too few to pay for a panel. */
interface DenseGroupLanes {
    /** Where there is nothing faster than a panel. */
    DenseGroupLanes NONE = new DenseGroupLanes() {
        @Override
        public int most() {
            return 0;
        }

        @Override
        public void bf16Groups(Floats x, int columns, int groups, long tile, int segment, Floats totals) {
            throw new IllegalStateException("no groups of rows for 16-bit weights");
        }
    };

    /** Groups up to which this is faster than a panel. */
    int most();

    /**
     * Groups of rows of x with BF16 weights: {@code totals[m][r] += sum over segments of (sum over k of x[m][k] * w(r, k))}.
     *
     * @param x packed rows as {@link FourBitGroupLanes#GROUP} has them: [groups][columns][GROUP]
     * @param columns a multiple of {@code segment}, and that one even
     * @param groups at most {@link #most}
     * @param totals [groups][GROUP][tileRows]
     */
    void bf16Groups(Floats x, int columns, int groups, long tile, int segment, Floats totals);
}
