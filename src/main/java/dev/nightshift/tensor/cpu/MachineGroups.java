package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/** A few rows in machine code ({@link FourBitGroupAssembly}, {@link DenseGroupAssembly}): one function a number of groups. */
final class MachineGroups implements FourBitGroupLanes, DenseGroupLanes {
    private static final int MOST = 4;
    private static final MethodHandle ONE = fourBit(1);
    private static final MethodHandle TWO = fourBit(2);
    private static final MethodHandle THREE = fourBit(3);
    private static final MethodHandle FOUR = fourBit(4);
    private static final MethodHandle DENSE_ONE = dense(1);
    private static final MethodHandle DENSE_TWO = dense(2);
    private static final MethodHandle DENSE_THREE = dense(3);
    private static final MethodHandle DENSE_FOUR = dense(4);

    private static MethodHandle fourBit(int groups) {
        MemoryLayout[] arguments = Arrays.copyOf(MachineCode.TILE, MachineCode.TILE.length + 1);
        arguments[MachineCode.TILE.length] = JAVA_LONG;
        return MachineCode.function(FourBitGroupAssembly.groups(groups), arguments);
    }

    private static MethodHandle dense(int groups) {
        return MachineCode.function(DenseGroupAssembly.groups(groups), MachineCode.TILE);
    }

    @Override
    public int most() {
        return MOST;
    }

    // a method handle is inlined only where it is a constant, so every number of groups has its own call

    @Override
    public void groups(
            Floats x, int columns, int groups, long tile, int segments, int segment, CodeTable table, Floats totals) {
        switch (groups) {
            case 1 -> fourBit(ONE, x, columns, tile, segments, segment, table, totals);
            case 2 -> fourBit(TWO, x, columns, tile, segments, segment, table, totals);
            case 3 -> fourBit(THREE, x, columns, tile, segments, segment, table, totals);
            case 4 -> fourBit(FOUR, x, columns, tile, segments, segment, table, totals);
            default -> throw tooMany(groups);
        }
    }

    private static void fourBit(
            MethodHandle code,
            Floats x,
            int columns,
            long tile,
            int segments,
            int segment,
            CodeTable table,
            Floats totals) {
        try {
            code.invokeExact(
                    x.memory(),
                    tile,
                    (long) segments,
                    (long) (segment / 8),
                    table.shuffles(),
                    totals.memory(),
                    MachineCode.stride(columns));
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void bf16Groups(Floats x, int columns, int groups, long tile, int segment, Floats totals) {
        switch (groups) {
            case 1 -> dense(DENSE_ONE, x, columns, tile, segment, totals);
            case 2 -> dense(DENSE_TWO, x, columns, tile, segment, totals);
            case 3 -> dense(DENSE_THREE, x, columns, tile, segment, totals);
            case 4 -> dense(DENSE_FOUR, x, columns, tile, segment, totals);
            default -> throw tooMany(groups);
        }
    }

    private static void dense(MethodHandle code, Floats x, int columns, long tile, int segment, Floats totals) {
        try {
            code.invokeExact(
                    x.memory(),
                    tile,
                    (long) (columns / segment),
                    (long) (segment / DenseGroupAssembly.STEP),
                    MachineCode.stride(columns),
                    totals.memory());
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    private static IllegalStateException tooMany(int groups) {
        return new IllegalStateException("%d groups, at most %d".formatted(groups, MOST));
    }
}
