package dev.nightshift.tensor.cpu;

import java.util.Arrays;

/** Rows side by side: [group][k][size], rows missing in the last group being zero. */
final class RowGroups {
    private RowGroups() {}

    static int count(int rows, int size) {
        return (rows + size - 1) / size;
    }

    /**
     * One group.
     *
     * @param at where it begins in {@code to}
     * @param from address of its first row, F32
     * @param stride bytes from one row to the next
     * @param valid rows that there are
     */
    static void pack(float[] to, int at, int size, long from, long stride, int valid, int columns) {
        if (valid < size) {
            Arrays.fill(to, at, at + size * columns, 0);
        }
        for (int row = 0; row < valid; row++) {
            long x = from + row * stride;
            for (int k = 0, i = at + row; k < columns; k++, i += size) {
                to[i] = Raw.f32(x + 4L * k);
            }
        }
    }
}
