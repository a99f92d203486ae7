package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import java.nio.ByteBuffer;

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

    /** One row. @param to address of [columns] F32 */
    default void row(int row, long to) {
        for (int k = 0; k < columns(); k++) {
            Raw.f32(to + 4L * k, element(row, k));
        }
    }

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

    /**
     * BF16 without loss in little more than 12 bits a value: sign and mantissa as they are, the exponent as a place in a table of
     * the weight's 16 most frequent ones. Rows lie in units of half a tile of 512 bits; a piece is a unit's {@link
     * Linear#DENSE_SEGMENT} columns. A piece in which another exponent occurs stays as it is: pairs of columns in an int, as in
     * {@link Dense}. Of a coded piece eight columns are three ints a row: columns 0 to 3 with bits 31 and 22 to 16 of column 1,
     * bits 15 and 6 to 0 of column 0, and so columns 3 and 2 once the int is turned left by {@link #TURN}; columns 4 to 7;
     * eight places of four bits, first those of even columns, then those of odd ones.
     *
     * @param exponents [16]
     * @param constants address of {@link #constants}
     * @param kinds address of a byte a piece, in the order of pieces: {@link #CODED} or {@link #RAW}
     * @param pieces address of the first piece; they follow each other along a unit's columns, units along the rows
     * @param offsets [units + 1], where a unit's pieces begin, bytes
     */
    record Compressed(int rows, int columns, int[] exponents, long constants, long kinds, long pieces, long[] offsets)
            implements Tiles {
        static final int UNIT_ROWS = 32;
        static final int CODES = 16;
        static final byte CODED = 0;
        static final byte RAW = 1;
        /** Bytes of a unit's ints. */
        static final int LINES = UNIT_ROWS * Integer.BYTES;

        static final int OCTET_BYTES = 3 * LINES;
        static final int RAW_BYTES = Linear.DENSE_SEGMENT / 2 * LINES;
        /** Bits of a pair that are sign and mantissa. */
        static final int KEPT = 0x807f807f;

        static final int TURN = 8;
        static final int CONSTANT_BYTES = 3 * Lanes.LINE;

        private static final int CODED_BYTES = Linear.DENSE_SEGMENT / 8 * OCTET_BYTES;

        /** What kernels need: 32 words, the exponents in their places and once more, then two masks of 16 ints. */
        static byte[] constants(int[] exponents) {
            ByteBuffer bytes = ByteBuffer.allocate(CONSTANT_BYTES).order(Raw.LE);
            for (int place = 0; place < 2 * CODES; place++) {
                bytes.putShort((short) (exponents[place % CODES] << 7));
            }
            for (int mask : new int[] {KEPT, 0xffff0000}) {
                for (int lane = 0; lane < Lanes.LINE / Integer.BYTES; lane++) {
                    bytes.putInt(mask);
                }
            }
            return bytes.array();
        }

        static int pieceBytes(byte kind) {
            return kind == RAW ? RAW_BYTES : CODED_BYTES;
        }

        @Override
        public int tileRows() {
            return 2 * UNIT_ROWS;
        }

        int segments() {
            return columns / Linear.DENSE_SEGMENT;
        }

        long unit(int index) {
            return pieces + offsets[index];
        }

        long piece(int unit, int segment) {
            long at = unit(unit);
            for (int before = 0; before < segment; before++) {
                at += pieceBytes(kind(unit, before));
            }
            return at;
        }

        /** Address of the kinds of a unit's pieces. */
        long kinds(int unit) {
            return kinds + (long) unit * segments();
        }

        byte kind(int unit, int segment) {
            return Raw.i8(kinds(unit) + segment);
        }

        @Override
        public float element(int row, int column) {
            int unit = row / UNIT_ROWS;
            int segment = column / Linear.DENSE_SEGMENT;
            long at = piece(unit, segment) + (long) row % UNIT_ROWS * Integer.BYTES;
            int k = column % Linear.DENSE_SEGMENT;
            int half = k % 2 * Short.SIZE;
            if (kind(unit, segment) == RAW) {
                return bf16(Raw.i32(at + (long) k / 2 * LINES) >>> half);
            }
            at += (long) k / 8 * OCTET_BYTES;
            int four = Raw.i32(at + (long) k % 8 / 4 * LINES);
            int pair = k % 4 / 2 == 0 ? four : Integer.rotateLeft(four, TURN);
            int place = Raw.i32(at + 2L * LINES) >>> half + k % 8 / 2 * 4 & CODES - 1;
            return bf16((pair & KEPT) >>> half | exponents[place] << 7);
        }

        @Override
        public void row(int row, long to) {
            int unit = row / UNIT_ROWS;
            long lane = (long) row % UNIT_ROWS * Integer.BYTES;
            long at = unit(unit) + lane;
            for (int segment = 0; segment < segments(); segment++) {
                byte kind = kind(unit, segment);
                for (int octet = 0; octet < Linear.DENSE_SEGMENT / 8; octet++) {
                    if (kind == RAW) {
                        raw(at + (long) octet * 4 * LINES, to);
                    } else {
                        coded(at + (long) octet * OCTET_BYTES, to);
                    }
                    to += 8 * Float.BYTES;
                }
                at += pieceBytes(kind);
            }
        }

        private static void raw(long at, long to) {
            for (int pair = 0; pair < 4; pair++) {
                pair(Raw.i32(at + (long) pair * LINES), to + (long) pair * 2 * Float.BYTES);
            }
        }

        private void coded(long at, long to) {
            int places = Raw.i32(at + 2L * LINES);
            for (int pair = 0; pair < 4; pair++) {
                int four = Raw.i32(at + (long) pair / 2 * LINES);
                int kept = (pair % 2 == 0 ? four : Integer.rotateLeft(four, TURN)) & KEPT;
                int low = exponents[places >>> 4 * pair & CODES - 1] << 7;
                int high = exponents[places >>> 4 * pair + Short.SIZE & CODES - 1] << 7 + Short.SIZE;
                pair(kept | low | high, to + (long) pair * 2 * Float.BYTES);
            }
        }

        private static void pair(int pair, long to) {
            Raw.i32(to, pair << Short.SIZE);
            Raw.i32(to + Float.BYTES, pair & 0xffff0000);
        }

        private static float bf16(int low) {
            return Float.intBitsToFloat(low << 16);
        }
    }
}
