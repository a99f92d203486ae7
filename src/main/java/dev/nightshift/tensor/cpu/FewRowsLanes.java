package dev.nightshift.tensor.cpu;

/** A few rows of x against a stretch of a weight, where they are too few to pay for a panel. */
interface FewRowsLanes {
    /** Where there is nothing faster than a panel. */
    FewRowsLanes NONE = new FewRowsLanes() {
        @Override
        public int most() {
            return 0;
        }

        @Override
        public int passes() {
            return 0;
        }

        @Override
        public boolean takes(Tiles tiles, int rows) {
            return false;
        }

        @Override
        public int item(int share) {
            throw none();
        }

        @Override
        public int unitRows() {
            throw none();
        }

        @Override
        public long scratchBytes(int columns, int units) {
            throw none();
        }

        @Override
        public void multiply(FewRowsProduct product) {
            throw none();
        }

        private static IllegalStateException none() {
            return new IllegalStateException("no kernel for a few rows");
        }
    };

    /** Rows of one call. */
    int most();

    /** Calls that so many rows may take, one after the other over a stretch of the weight, before a panel is faster. */
    int passes();

    /** Whether this is the fastest way through such a weight for so many rows, up to {@link #passes} calls. */
    boolean takes(Tiles tiles, int rows);

    /** Units that a thread claims at a time where its share is so many. */
    int item(int share);

    /** Rows of a weight that belong together: a tile, or a part of one. */
    int unitRows();

    /** Memory that a call over so many units needs for itself. */
    long scratchBytes(int columns, int units);

    /**
     * {@code out[m][r] = sum over segments of scale[r] * (sum over k of x[m][k] * w(r, k))}, each (m, r) the chain of {@link
     * FourBitLanes#row} or {@link DenseLanes#bf16Row}.
     */
    void multiply(FewRowsProduct product);
}
