package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.Tensor;
import org.nd4j.linalg.api.ndarray.INDArray;

/** One entry of a {@link LoraTable}, decoded. */
record LoraEntry(
        LoraTable table,
        long aOffset,
        long bOffset,
        int rank,
        float scale,
        long gainOffset,
        long replacementOffset,
        DType factorType,
        DType replacementType) {
    private static final DType[] TYPES = DType.values();

    static LoraEntry of(LoraTable table, int slot, int target) {
        Tensor entries = table.entries();
        long targets = entries.shape().axis(1);
        long at = (slot * targets + target) * LoraTable.FIELDS;
        return new LoraEntry(
                table,
                field(entries, at, LoraTable.A_OFFSET),
                field(entries, at, LoraTable.B_OFFSET),
                (int) field(entries, at, LoraTable.RANK),
                Float.intBitsToFloat((int) field(entries, at, LoraTable.SCALE)),
                field(entries, at, LoraTable.GAIN_OFFSET),
                field(entries, at, LoraTable.REPLACEMENT_OFFSET),
                TYPES[(int) field(entries, at, LoraTable.FACTOR_DTYPE)],
                TYPES[(int) field(entries, at, LoraTable.REPLACEMENT_DTYPE)]);
    }

    private static long field(Tensor entries, long at, int field) {
        return entries.data().getAtIndex(HostArrays.I64, at + field);
    }

    boolean replaces() {
        return replacementOffset >= 0;
    }

    boolean adapts() {
        return rank > 0;
    }

    /** [rank, in] */
    INDArray a(int in) {
        return matrix(aOffset, factorType, rank, in);
    }

    /** [out, rank] */
    INDArray b(int out) {
        return matrix(bOffset, factorType, out, rank);
    }

    /** [1, out], or null where there is none. */
    INDArray gain(int out) {
        return gainOffset < 0 ? null : matrix(gainOffset, DType.F32, 1, out);
    }

    /** Rows {@code from} (inclusive) to {@code to} of the replacing weight [out, in]. */
    INDArray replacement(int from, int to, int in) {
        long offset = replacementOffset + (long) from * in * replacementType.bytes();
        return matrix(offset, replacementType, to - from, in);
    }

    private INDArray matrix(long offset, DType dtype, int rows, int columns) {
        float[] values = HostArrays.floats(table.arena().data(), offset, dtype, rows * columns);
        return HostArrays.array(values, rows, columns);
    }
}
