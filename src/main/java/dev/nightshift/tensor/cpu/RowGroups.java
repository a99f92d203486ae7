package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.Raw.ALL;
import static dev.nightshift.tensor.cpu.Raw.LE;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Rows side by side, in groups: [group][k][size] or [group][k / 8][size][8], rows missing in the last group being zero. */
final class RowGroups {
    static final int OCTET = 8;
    private static final VectorSpecies<Float> EIGHT = FloatVector.SPECIES_256;

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

    /**
     * One group by octets of k, eight floats of a row at a time.
     *
     * @param columns k that there are
     * @param padded k to write, those beyond being zero; a multiple of 8
     */
    static void packOctets(float[] to, int at, int size, long from, long stride, int valid, int columns, int padded) {
        if (valid < size || columns < padded) {
            Arrays.fill(to, at, at + size * padded, 0);
        }
        int whole = columns / OCTET * OCTET;
        for (int row = 0; row < valid; row++) {
            long x = from + row * stride;
            int place = at + row * OCTET;
            for (int k = 0; k < whole; k += OCTET) {
                FloatVector.fromMemorySegment(EIGHT, ALL, x + 4L * k, LE).intoArray(to, place + k * size);
            }
            for (int k = whole; k < columns; k++) {
                to[place + whole * size + k - whole] = Raw.f32(x + 4L * k);
            }
        }
    }
}
