package dev.nightshift.tensor.cpu;

import dev.nightshift.quant.CodeBook;
import dev.nightshift.tensor.FourBitCode;
import java.lang.foreign.MemorySegment;

/**
 * A code book as kernels look it up.
 *
 * @param values [16] as float bits
 * @param shuffles address of {@link FourBitAssembly#tables}, kept for the life of the process
 * @param floats address of the values, kept so too
 */
record CodeTable(int[] values, long shuffles, long floats) {
    private static final CodeTable NF4 = make(FourBitCode.NF4);
    private static final CodeTable FP4 = make(FourBitCode.FP4);

    static CodeTable of(FourBitCode code) {
        return switch (code) {
            case NF4 -> NF4;
            case FP4 -> FP4;
        };
    }

    private static CodeTable make(FourBitCode code) {
        float[] values = CodeBook.of(code).values();
        int[] bits = new int[values.length];
        for (int i = 0; i < values.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return new CodeTable(
                bits,
                MachineCode.constant(MemorySegment.ofArray(FourBitAssembly.tables(bits))),
                MachineCode.constant(MemorySegment.ofArray(bits)));
    }
}
