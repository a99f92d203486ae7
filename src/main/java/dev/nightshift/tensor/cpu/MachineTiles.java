package dev.nightshift.tensor.cpu;

import java.lang.invoke.MethodHandle;

/** {@link FourBitLanes} in machine code ({@link FourBitAssembly}, {@link WideFourBitAssembly}). */
final class MachineTiles implements FourBitLanes {
    private static final MethodHandle ROW = MachineCode.function(FourBitAssembly.row(), MachineCode.TILE);
    private static final MethodHandle PANEL = MachineCode.function(FourBitAssembly.panel(), MachineCode.TILE);

    private static final MethodHandle WIDE_ROW = MachineCode.function(WideFourBitAssembly.row(), MachineCode.TILE);
    private static final MethodHandle WIDE_PANEL = MachineCode.function(WideFourBitAssembly.panel(), MachineCode.TILE);

    private final FourBitLanes vector;
    private final boolean wide;

    /**
     * @param vector what has no machine code goes there
     * @param bits 256 or 512
     */
    MachineTiles(FourBitLanes vector, int bits) {
        this.vector = vector;
        wide = bits == MachineCode.WIDE_BITS;
    }

    // a method handle is inlined only where it is a constant

    @Override
    public void row(Floats x, long tile, int segments, int segment, CodeTable table, float[] sums, Floats total) {
        long octets = segment / 8;
        try {
            if (wide) {
                WIDE_ROW.invokeExact(x.memory(), tile, (long) segments, octets, table.floats(), total.memory());
            } else {
                ROW.invokeExact(x.memory(), tile, (long) segments, octets, table.shuffles(), total.memory());
            }
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void panel(long tile, int segments, int segment, CodeTable table, Floats panel, Floats scales) {
        long octets = segment / 8;
        try {
            if (wide) {
                WIDE_PANEL.invokeExact(panel.memory(), tile, (long) segments, octets, table.floats(), scales.memory());
            } else {
                PANEL.invokeExact(panel.memory(), tile, (long) segments, octets, table.shuffles(), scales.memory());
            }
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void turned(
            int[] turned,
            long scales,
            int segmentBytes,
            int first,
            int perSegment,
            int vectors,
            CodeTable table,
            float[] panel,
            int to) {
        vector.turned(turned, scales, segmentBytes, first, perSegment, vectors, table, panel, to);
    }
}
