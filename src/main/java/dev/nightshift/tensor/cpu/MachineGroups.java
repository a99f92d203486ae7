package dev.nightshift.tensor.cpu;

import java.lang.invoke.MethodHandle;

/** {@link DenseGroupLanes} in machine code ({@link DenseGroupAssembly}): one function a number of groups. */
final class MachineGroups implements DenseGroupLanes {
    private static final int MOST = 4;
    private static final MethodHandle ONE = dense(1);
    private static final MethodHandle TWO = dense(2);
    private static final MethodHandle THREE = dense(3);
    private static final MethodHandle FOUR = dense(4);

    private static MethodHandle dense(int groups) {
        return MachineCode.function(DenseGroupAssembly.groups(groups), MachineCode.TILE);
    }

    @Override
    public int most() {
        return MOST;
    }

    // a method handle is inlined only where it is a constant, so every number of groups has its own call

    @Override
    public void bf16Groups(Floats x, int columns, int groups, long tile, int segment, Floats totals) {
        switch (groups) {
            case 1 -> dense(ONE, x, columns, tile, segment, totals);
            case 2 -> dense(TWO, x, columns, tile, segment, totals);
            case 3 -> dense(THREE, x, columns, tile, segment, totals);
            case 4 -> dense(FOUR, x, columns, tile, segment, totals);
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
