package dev.nightshift.tensor.cpu;

/** How the 4-bit codes of eight k lie in the ints of a tile's rows; a tile has a multiple of four rows. */
enum CodeOrder {
    /** An int a row, nibble t being the code of k + t: what vectors of ints shift into place. */
    ROWS {
        @Override
        void store(long octet, int row, int codes) {
            Raw.i32(octet + 4L * row, codes);
        }

        @Override
        int code(long octet, int row, int k) {
            return Raw.i32(octet + 4L * row) >>> 4 * k & 15;
        }
    },

    /**
     * Four ints to four rows, int j for k + j in its low nibbles and k + j + 4 in its high ones, byte r being row r: what a look-up
     * of bytes leaves where interleaving makes floats of it.
     */
    COLUMNS {
        @Override
        void store(long octet, int row, int codes) {
            for (int j = 0; j < 4; j++) {
                int low = codes >>> 4 * j & 15;
                int high = codes >>> 4 * (j + 4) & 15;
                Raw.i8(at(octet, row, j), (byte) (high << 4 | low));
            }
        }

        @Override
        int code(long octet, int row, int k) {
            return Raw.i8(at(octet, row, k % 4)) >>> k / 4 * 4 & 15;
        }

        private long at(long octet, int row, int j) {
            return octet + row / 4 * 16 + 4L * j + row % 4;
        }
    };

    /**
     * @param octet address of the tile's ints for these k
     * @param codes nibble t being the code of k + t
     */
    abstract void store(long octet, int row, int codes);

    /** @param k 0 to 7 */
    abstract int code(long octet, int row, int k);
}
