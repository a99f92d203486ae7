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

    /** A share that goes in one piece: a further call costs more than what a busy machine lets one thread wait for another. */
    private static final int ONE_PIECE = 16;

    private static final int ITEM = 5;

    /** Measured: a panel is as fast for 32 rows, and faster for more. */
    private static final int PASSES = 3;

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
    public int passes() {
        return PASSES;
    }

    @Override
    public boolean takes(Tiles tiles, int rows) {
        return rows > 1 && tiles instanceof Tiles.FourBit;
    }

    @Override
    public int item(int share) {
        return share <= ONE_PIECE ? share : ITEM;
    }

    @Override
    public int unitRows() {
        return Linear.tileRows(MachineCode.BITS);
    }

    @Override
    public long scratchBytes(int columns, int units) {
        return INPUT + FewRowsAssembly.totalBytes(units, FewRowsAssembly.MOST);
    }

    @Override
    public void multiply(FewRowsProduct product) {
        Tiles.FourBit tiles = (Tiles.FourBit) product.tiles;
        int segments = tiles.columns() / tiles.segment();
        int pieces = FewRowsAssembly.fetches(product.rows) ? segments * product.count : 0;
        long upcoming = product.upcoming.take(product.thread, pieces);
        try {
            FUNCTIONS[product.rows].invokeExact(
                    product.x,
                    product.xRow,
                    tiles.tile(product.unit),
                    (long) product.count,
                    tiles.table().shuffles(),
                    product.out,
                    product.outRow,
                    (long) segments,
                    (long) (tiles.segment() / 8),
                    product.scratch,
                    product.scratch + INPUT,
                    (long) segments * tiles.segmentBytes(),
                    (long) tiles.segmentBytes(),
                    upcoming,
                    product.upcoming.step(upcoming),
                    product.upcoming.offset(upcoming));
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }
}
