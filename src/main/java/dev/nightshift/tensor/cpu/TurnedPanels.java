package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * Tiles as panels that lie along the columns: [tileRows rows of W][tileRows columns], scaled. A 4-bit tile is turned while its
 * codes are codes: eight ints of eight nibbles, lanes being rows, become eight ints whose lanes are columns.
 */
final class TurnedPanels {
    private static final int HALVES = 0x0000ffff;
    private static final int BYTES = 0x00ff00ff;
    private static final int NIBBLES = 0x0f0f0f0f;
    private static final int APART = 64;

    private final FourBitLanes fourBit;
    private final DenseLanes dense;
    private final Scratch scratch;
    private final int width;
    private final int lanes;
    private final int[][] codes;
    private final float[][] values;

    TurnedPanels(int threads, Kernels kernels, Scratch scratch) {
        this.scratch = scratch;
        fourBit = kernels.fourBit();
        dense = kernels.dense();
        width = Linear.tileRows(kernels.bits());
        lanes = width / 4;
        codes = new int[threads][width * width / 8 + APART];
        values = new float[threads][(width + 1) * width + APART];
    }

    /** Columns [from, from + valid) of a tile: {@code panel[to + r * tileRows + c]}; what lies beyond {@code valid} is undefined. */
    void fill(Tiles tiles, int tile, int from, int valid, float[] panel, int to, int thread) {
        switch (tiles) {
            case Tiles.FourBit four
            when four.segment() % lanes == 0 -> {
                turn(four, tile, from, valid, codes[thread]);
                int scale = (from % four.segment()) / lanes;
                fourBit.turned(
                        codes[thread],
                        four.tile(tile) + (long) (from / four.segment()) * four.segmentBytes(),
                        four.segmentBytes(),
                        scale,
                        four.segment() / lanes,
                        (valid + lanes - 1) / lanes,
                        four.table(),
                        panel,
                        to);
            }
            case Tiles.Dense wide -> dense(wide, tile, from, valid, panel, to, thread);
            case Tiles.Compressed compressed -> {
                long unpacked = scratch.of(thread, Unpack.SEGMENT_BYTES);
                Unpack.segments(compressed, tile, from / Linear.DENSE_SEGMENT, 1, unpacked);
                dense.bf16Turned(unpacked, (valid + 1) / 2, panel, to);
            }
            case Tiles.FourBit four -> elements(four, tile, from, valid, panel, to);
            case Tiles.Packed packed -> elements(packed, tile, from, valid, panel, to);
        }
    }

    /** {@code turned[r / 8][c]}: nibble r % 8 is the code of row r, column c. */
    private void turn(Tiles.FourBit four, int tile, int from, int valid, int[] turned) {
        for (int column = 0; column < valid; column += 8) {
            int k = from + column;
            long octet = four.tile(tile)
                    + (long) (k / four.segment()) * four.segmentBytes()
                    + 4L * width * (1 + k % four.segment() / 8);
            for (int row = 0; row < width; row += 8) {
                long ints = octet + 4L * row;
                int to = row / 8 * width + column;
                switch (four.order()) {
                    case ROWS -> turnRows(ints, turned, to);
                    case COLUMNS -> turnColumns(ints, turned, to);
                }
            }
        }
    }

    /** Eight ints of eight nibbles, rows and columns exchanged: by halves, by bytes, by nibbles. */
    private static void turnRows(long from, int[] turned, int to) {
        int a0 = Raw.i32(from);
        int a1 = Raw.i32(from + 4);
        int a2 = Raw.i32(from + 8);
        int a3 = Raw.i32(from + 12);
        int a4 = Raw.i32(from + 16);
        int a5 = Raw.i32(from + 20);
        int a6 = Raw.i32(from + 24);
        int a7 = Raw.i32(from + 28);
        int b0 = a0 & HALVES | a4 << 16;
        int b4 = a0 >>> 16 | a4 & ~HALVES;
        int b1 = a1 & HALVES | a5 << 16;
        int b5 = a1 >>> 16 | a5 & ~HALVES;
        int b2 = a2 & HALVES | a6 << 16;
        int b6 = a2 >>> 16 | a6 & ~HALVES;
        int b3 = a3 & HALVES | a7 << 16;
        int b7 = a3 >>> 16 | a7 & ~HALVES;
        int c0 = b0 & BYTES | (b2 & BYTES) << 8;
        int c2 = b0 >>> 8 & BYTES | b2 & ~BYTES;
        int c1 = b1 & BYTES | (b3 & BYTES) << 8;
        int c3 = b1 >>> 8 & BYTES | b3 & ~BYTES;
        int c4 = b4 & BYTES | (b6 & BYTES) << 8;
        int c6 = b4 >>> 8 & BYTES | b6 & ~BYTES;
        int c5 = b5 & BYTES | (b7 & BYTES) << 8;
        int c7 = b5 >>> 8 & BYTES | b7 & ~BYTES;
        turned[to] = c0 & NIBBLES | (c1 & NIBBLES) << 4;
        turned[to + 1] = c0 >>> 4 & NIBBLES | c1 & ~NIBBLES;
        turned[to + 2] = c2 & NIBBLES | (c3 & NIBBLES) << 4;
        turned[to + 3] = c2 >>> 4 & NIBBLES | c3 & ~NIBBLES;
        turned[to + 4] = c4 & NIBBLES | (c5 & NIBBLES) << 4;
        turned[to + 5] = c4 >>> 4 & NIBBLES | c5 & ~NIBBLES;
        turned[to + 6] = c6 & NIBBLES | (c7 & NIBBLES) << 4;
        turned[to + 7] = c6 >>> 4 & NIBBLES | c7 & ~NIBBLES;
    }

    /** The same where an int holds four rows of column c and of column c + 4. */
    private static void turnColumns(long from, int[] turned, int to) {
        for (int c = 0; c < 4; c++) {
            int rows0 = Raw.i32(from + 4L * c);
            int rows4 = Raw.i32(from + 4L * (c + 4));
            turned[to + c] = nibbles(rows0) | nibbles(rows4) << 16;
            turned[to + c + 4] = nibbles(rows0 >>> 4) | nibbles(rows4 >>> 4) << 16;
        }
    }

    /** The low nibbles of four bytes, side by side. */
    private static int nibbles(int bytes) {
        int pairs = (bytes & NIBBLES | (bytes & NIBBLES) >>> 4) & BYTES;
        return (pairs | pairs >>> 8) & HALVES;
    }

    private void dense(Tiles.Dense wide, int tile, int from, int valid, float[] panel, int to, int thread) {
        long at = wide.tile(tile) + 4L * width * (wide.dtype() == DType.F32 ? from : from / 2);
        switch (wide.dtype()) {
            case BF16 -> dense.bf16Turned(at, (valid + 1) / 2, panel, to);
            case F16 -> {
                dense.f16Panel(at, valid, values[thread]);
                exchange(values[thread], valid, panel, to);
            }
            case F32 -> {
                MemorySegment.copy(Raw.ALL, Raw.F32, at, values[thread], 0, valid * width);
                exchange(values[thread], valid, panel, to);
            }
            case I64, I32, U8 -> throw new IllegalStateException("tiles of " + wide.dtype());
        }
    }

    /** [valid][tileRows] -> [tileRows][tileRows], four columns at a time. */
    private void exchange(float[] along, int valid, float[] panel, int to) {
        int k = 0;
        for (; k + 4 <= valid; k += 4) {
            for (int r = 0; r < width; r++) {
                int source = k * width + r;
                int target = to + r * width + k;
                panel[target] = along[source];
                panel[target + 1] = along[source + width];
                panel[target + 2] = along[source + 2 * width];
                panel[target + 3] = along[source + 3 * width];
            }
        }
        for (; k < valid; k++) {
            for (int r = 0; r < width; r++) {
                panel[to + r * width + k] = along[k * width + r];
            }
        }
    }

    private void elements(Tiles tiles, int tile, int from, int valid, float[] panel, int to) {
        int count = Math.min(width, tiles.rows() - tile * width);
        for (int r = 0; r < width; r++) {
            for (int k = 0; k < valid; k++) {
                panel[to + r * width + k] = r < count ? tiles.element(tile * width + r, from + k) : 0;
            }
        }
    }
}
