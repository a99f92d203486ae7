package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/** {@link FewRowsLanes} in machine code ({@link FewRowsAssembly}): one function a number of rows. */
final class MachineFewRows implements FewRowsLanes {
    /** Six registers, then the stack. */
    private static final MemoryLayout[] ARGUMENTS = Collections.nCopies(
                    6 + FewRowsAssembly.Argument.values().length, JAVA_LONG)
            .toArray(MemoryLayout[]::new);

    private static final long INPUT = FewRowsAssembly.inputBytes(FewRowsAssembly.MOST);
    private static final MethodHandle[] FUNCTIONS = functions();

    private static MethodHandle[] functions() {
        MethodHandle[] functions = new MethodHandle[FewRowsAssembly.MOST + 1];
        for (int rows = 1; rows <= FewRowsAssembly.MOST; rows++) {
            functions[rows] = MachineCode.function(FewRowsAssembly.multiply(rows), ARGUMENTS);
        }
        return functions;
    }

    @Override
    public int most() {
        return FewRowsAssembly.MOST;
    }

    @Override
    public long scratchBytes(int count) {
        return INPUT + FewRowsAssembly.totalBytes(count, FewRowsAssembly.MOST);
    }

    @Override
    public void multiply(
            long x,
            long xRow,
            int rows,
            Tiles.FourBit tiles,
            int tile,
            int count,
            long out,
            long outRow,
            long scratch) {
        long segments = tiles.columns() / tiles.segment();
        try {
            FUNCTIONS[rows].invokeExact(
                    x,
                    xRow,
                    tiles.tile(tile),
                    (long) count,
                    tiles.table().shuffles(),
                    out,
                    outRow,
                    segments,
                    (long) (tiles.segment() / 8),
                    scratch,
                    scratch + INPUT,
                    segments * tiles.segmentBytes(),
                    (long) tiles.segmentBytes());
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }
}
