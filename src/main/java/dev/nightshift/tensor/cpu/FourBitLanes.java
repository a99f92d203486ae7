package dev.nightshift.tensor.cpu;

/**
 * Inner loops over a tile of a 4-bit weight. A tile has {@code 4 * lanes} rows; for each segment of k it holds one F32 scale
 * a row, then for every 8 k one int a row, with the codes in the backend's {@link CodeOrder}. Tiles run along k, then along the
 * rows.
 */
interface FourBitLanes {

    /**
     * One row of x: {@code total[r] += sum over segments of scale[r] * (sum over k of x[k] * code(r, k))}.
     *
     * @param sums [tileRows], scratch
     * @param total [tileRows]
     */
    void row(Floats x, long tile, int segments, int segment, CodeTable table, float[] sums, Floats total);

    /** Codes of a stretch of segments as floats, not scaled: panel [k][tileRows]; and their scales [segment][tileRows]. */
    void panel(long tile, int segments, int segment, CodeTable table, Floats panel, Floats scales);

    /**
     * Values of codes turned to lie along the columns: {@code panel[to + r * tileRows + c]}, scaled.
     *
     * @param turned [tileRows / 8][tileRows], nibble r % 8 of {@code turned[r / 8][c]} being the code of row r, column c
     * @param scales address of the scales of the first column's segment, those of the next {@code segmentBytes} further
     * @param first place of the first column in its segment, in vectors
     * @param perSegment vectors of a segment
     * @param vectors of columns wanted, at most 4
     */
    void turned(
            int[] turned,
            long scales,
            int segmentBytes,
            int first,
            int perSegment,
            int vectors,
            CodeTable table,
            float[] panel,
            int to);
}
