package dev.nightshift.tensor.cpu;

import java.lang.invoke.MethodHandle;

/** {@link FourBitLanes} in machine code ({@link FourBitAssembly}). */
final class MachineTiles implements FourBitLanes {
    private static final MethodHandle ROW = MachineCode.function(FourBitAssembly.row(), MachineCode.TILE);
    private static final MethodHandle PANEL = MachineCode.function(FourBitAssembly.panel(), MachineCode.TILE);

    private final FourBitLanes vector;

    /** @param vector what has no machine code goes there */
    MachineTiles(FourBitLanes vector) {
        this.vector = vector;
    }

    @Override
    public void row(Floats x, long tile, int segments, int segment, CodeTable table, float[] sums, Floats total) {
        try {
            ROW.invokeExact(x.memory(), tile, (long) segments, (long) (segment / 8), table.shuffles(), total.memory());
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void panel(long tile, int segments, int segment, CodeTable table, Floats panel, Floats scales) {
        try {
            PANEL.invokeExact(
                    panel.memory(), tile, (long) segments, (long) (segment / 8), table.shuffles(), scales.memory());
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
