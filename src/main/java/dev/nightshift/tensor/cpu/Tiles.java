package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;

/**
 * One matrix in the layout of its kernels. A tile holds {@code tileRows} rows side by side, the last one padded with zeros;
 * tiles follow each other along the rows. Memory belongs to the backend.
 */
sealed interface Tiles {

    int rows();

    int columns();

    int tileRows();

    default int tiles() {
        return (rows() + tileRows() - 1) / tileRows();
    }

    /** One element, as the kernels see it. */
    float element(int row, int column);

    /**
     * 4-bit, every segment of k inside one block of its row ({@link FourBitLanes}).
     *
     * @param order what the kernels look codes up in
     */
    record FourBit(int rows, int columns, int tileRows, int segment, CodeOrder order, CodeTable table, long address)
            implements Tiles {
        int segmentBytes() {
            return tileRows * (Float.BYTES + segment / 2);
        }

        long tile(int index) {
            return address + (long) index * (columns / segment) * segmentBytes();
        }

        @Override
        public float element(int row, int column) {
            long at = tile(row / tileRows) + (long) (column / segment) * segmentBytes();
            long octet = at + 4L * tileRows * (1 + column % segment / 8);
            int code = order.code(octet, row % tileRows, column % 8);
            return Float.intBitsToFloat(table.values()[code]) * Raw.f32(at + 4L * (row % tileRows));
        }
    }

    /**
     * 4-bit as the checkpoint packs it, for a row length that is no multiple of 8, so that blocks cross rows at any place.
     *
     * @param absmax [blocks] F32
     */
    record Packed(int rows, int columns, int tileRows, int blockSize, CodeTable table, long address, long absmax)
            implements Tiles {
        @Override
        public float element(int row, int column) {
            long index = (long) row * columns + column;
            int pair = Raw.ALL.get(java.lang.foreign.ValueLayout.JAVA_BYTE, address + index / 2);
            int code = ((index & 1) == 0 ? pair >> 4 : pair) & 15;
            return Float.intBitsToFloat(table.values()[code]) * Raw.f32(absmax + 4 * (index / blockSize));
        }
    }

    /** 16 or 32 bits. 16: pairs of k in an int ({@link DenseLanes}); 32: [tile][k][tileRows]. */
    record Dense(DType dtype, int rows, int columns, int tileRows, long address) implements Tiles {
        static long tileBytes(DType dtype, int columns, int tileRows) {
            return 4L * tileRows * (dtype == DType.F32 ? columns : (columns + 1) / 2);
        }

        long tile(int index) {
            return address + index * tileBytes(dtype, columns, tileRows);
        }

        @Override
        public float element(int row, int column) {
            long tile = tile(row / tileRows);
            int lane = row % tileRows;
            return dtype == DType.F32
                    ? Raw.f32(tile + 4L * ((long) column * tileRows + lane))
                    : Raw.element(dtype, tile, 2 * ((long) (column / 2) * tileRows + lane) + column % 2);
        }
    }
}
