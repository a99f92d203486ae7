package dev.nightshift.quant;

/**
 * Sum of binary32 values in the order in which torch sums a contiguous tensor of up to 32,768 elements with 8-lane vectors, so
 * that a mean has the same last bit (golden quant4: all five offsets; nightshift-tiny: all 84). Rows of 4 vectors are added
 * into level 0; every 2^k rows a level is folded into the one above, which keeps the rounding error small.
 */
final class CascadeSum {
    private static final int LANES = 8;
    private static final int VECTORS = 4;
    private static final int ROW = LANES * VECTORS;
    private static final int LEVELS = 4;

    private CascadeSum() {}

    static float sum(float[] values) {
        int rows = values.length / ROW;
        float[] lanes = sumRows(values, rows);
        int at = rows * ROW;
        for (; at + LANES <= values.length; at += LANES) {
            addTo(lanes, 0, values, at, LANES);
        }
        for (int vector = 1; vector < VECTORS; vector++) {
            addTo(lanes, 0, lanes, vector * LANES, LANES);
        }
        float sum = 0;
        for (; at < values.length; at++) {
            sum += values[at];
        }
        for (int lane = 0; lane < LANES; lane++) {
            sum += lanes[lane];
        }
        return sum;
    }

    private static float[] sumRows(float[] values, int rows) {
        int power = Math.max(4, (32 - Integer.numberOfLeadingZeros(Math.max(1, rows - 1))) / LEVELS);
        int rowsPerFold = 1 << power;
        float[][] levels = new float[LEVELS][ROW];
        for (int row = 0; row < rows; row++) {
            addTo(levels[0], 0, values, row * ROW, ROW);
            int done = row + 1;
            for (int level = 1; level < LEVELS && done % rowsPerFold == 0; level++) {
                addTo(levels[level], 0, levels[level - 1], 0, ROW);
                levels[level - 1] = new float[ROW];
                done /= rowsPerFold;
            }
        }
        for (int level = 1; level < LEVELS; level++) {
            addTo(levels[0], 0, levels[level], 0, ROW);
        }
        return levels[0];
    }

    private static void addTo(float[] target, int at, float[] source, int from, int count) {
        for (int i = 0; i < count; i++) {
            target[at + i] += source[from + i];
        }
    }
}
