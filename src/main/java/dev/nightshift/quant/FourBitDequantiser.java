package dev.nightshift.quant;

import dev.nightshift.tensor.Weight;
import java.lang.foreign.ValueLayout;

/** 4-bit weights back to binary32: {@code value(code) * absmax}, one rounding. */
public final class FourBitDequantiser {
    private final Weight.FourBit weight;
    private final CodeBook book;
    private final float[] absmax;

    public FourBitDequantiser(Weight.FourBit weight) {
        this.weight = weight;
        this.book = CodeBook.of(weight.code());
        this.absmax = DoubleQuantisation.absmax(weight.scales());
    }

    /** The whole matrix, row-major. */
    public static float[] dequantise(Weight.FourBit weight) {
        float[] values = new float[Math.multiplyExact(weight.rows(), weight.columns())];
        new FourBitDequantiser(weight).read(0, values, 0, values.length);
        return values;
    }

    /** {@code out[at + i] = } element {@code first + i} of the flattened matrix. */
    public void read(long first, float[] out, int at, int count) {
        for (int i = 0; i < count; i++) {
            long index = first + i;
            int pair = weight.packed().data().get(ValueLayout.JAVA_BYTE, index / 2);
            int code = (index & 1) == 0 ? (pair >> 4) & 15 : pair & 15;
            out[at + i] = book.value(code) * absmax[(int) (index / weight.blockSize())];
        }
    }
}
