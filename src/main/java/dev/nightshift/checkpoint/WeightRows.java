package dev.nightshift.checkpoint;

import dev.nightshift.quant.FourBitDequantiser;
import dev.nightshift.tensor.Weight;

/** Reads a matrix row after row as binary32; several threads may. */
interface WeightRows {
    /** Writes row {@code row} to {@code out}, which has as many elements as the matrix has columns. */
    void read(int row, float[] out);

    /** Of one part of a checkpoint's weights. */
    static WeightRows of(Weight weight) {
        return switch (weight) {
            case Weight.FourBit packed -> {
                FourBitDequantiser values = new FourBitDequantiser(packed);
                yield (row, out) -> values.read((long) row * out.length, out, 0, out.length);
            }
            case Weight.Dense dense ->
                (row, out) -> {
                    for (int i = 0; i < out.length; i++) {
                        out[i] = PeftFolder.value(dense.values(), (long) row * out.length + i);
                    }
                };
            case Weight.Fused fused -> throw new IllegalStateException("one part is expected, got " + fused);
            case Weight.Prepared prepared ->
                throw new IllegalStateException("prepared weight in a checkpoint: " + prepared);
        };
    }
}
