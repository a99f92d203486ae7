package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightshift.tensor.cpu.x86.Executable;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import java.util.Set;

/** Kernels at 256 bits in machine code: the bits of their twins in the Vector API, in less time. */
final class MachineCode implements FourBitLanes, FourBitGroupLanes, DenseGroupLanes {
    static final int BITS = 256;

    /** What keeps this code from running on this machine; empty if nothing does. */
    static final Optional<String> OBSTACLE = Executable.obstacle(Set.of("avx2", "fma"));

    /** First array, tile, segments, octets of a segment, tables, last array. */
    private static final FunctionDescriptor TILE =
            FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);

    private static final MethodHandle ROW = function(FourBitAssembly.row());
    private static final int MOST = 4;
    private static final MethodHandle GROUP_1 = groups(1);
    private static final MethodHandle GROUPS_2 = groups(2);
    private static final MethodHandle GROUPS_3 = groups(3);
    private static final MethodHandle GROUPS_4 = groups(4);
    private static final MethodHandle DENSE_GROUP_1 = dense(1);
    private static final MethodHandle DENSE_GROUPS_2 = dense(2);
    private static final MethodHandle DENSE_GROUPS_3 = dense(3);
    private static final MethodHandle DENSE_GROUPS_4 = dense(4);
    private static final MethodHandle PANEL = function(FourBitAssembly.panel());

    private final FourBitLanes java;

    /** @param java what has no machine code of its own goes there */
    MachineCode(FourBitLanes java) {
        this.java = java;
    }

    private static MethodHandle function(byte[] code) {
        return OBSTACLE.isPresent() ? null : Executable.function(code, TILE);
    }

    private static MethodHandle groups(int groups) {
        return OBSTACLE.isPresent()
                ? null
                : Executable.function(FourBitGroupAssembly.groups(groups), TILE.appendArgumentLayouts(JAVA_LONG));
    }

    private static MethodHandle dense(int groups) {
        return OBSTACLE.isPresent()
                ? null
                : Executable.function(
                        DenseGroupAssembly.groups(groups),
                        FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS));
    }

    @Override
    public void row(Floats x, long tile, int segments, int segment, CodeTable table, float[] sums, Floats total) {
        call(ROW, x.memory(), tile, segments, segment, table, total.memory());
    }

    @Override
    public int most() {
        return MOST;
    }

    @Override
    public void groups(
            Floats x, int columns, int groups, long tile, int segments, int segment, CodeTable table, Floats totals) {
        switch (groups) {
            case 1 -> call(GROUP_1, x, columns, tile, segments, segment, table, totals);
            case 2 -> call(GROUPS_2, x, columns, tile, segments, segment, table, totals);
            case 3 -> call(GROUPS_3, x, columns, tile, segments, segment, table, totals);
            case 4 -> call(GROUPS_4, x, columns, tile, segments, segment, table, totals);
            default -> throw tooMany(groups);
        }
    }

    private static IllegalStateException tooMany(int groups) {
        return new IllegalStateException("%d groups, at most %d".formatted(groups, MOST));
    }

    @Override
    public void bf16Groups(Floats x, int columns, int groups, long tile, int segment, Floats totals) {
        switch (groups) {
            case 1 -> dense(DENSE_GROUP_1, x, columns, tile, segment, totals);
            case 2 -> dense(DENSE_GROUPS_2, x, columns, tile, segment, totals);
            case 3 -> dense(DENSE_GROUPS_3, x, columns, tile, segment, totals);
            case 4 -> dense(DENSE_GROUPS_4, x, columns, tile, segment, totals);
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
                    stride(columns),
                    totals.memory());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("machine code cannot throw", e);
        }
    }

    /** Bytes from one group of x to the next. */
    private static long stride(int columns) {
        return (long) columns * PanelLanes.GROUP * Float.BYTES;
    }

    private static void call(
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
                    stride(columns));
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("machine code cannot throw", e);
        }
    }

    @Override
    public void panel(long tile, int segments, int segment, CodeTable table, Floats panel, Floats scales) {
        call(PANEL, panel.memory(), tile, segments, segment, table, scales.memory());
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
        java.turned(turned, scales, segmentBytes, first, perSegment, vectors, table, panel, to);
    }

    private static void call(
            MethodHandle code,
            MemorySegment first,
            long tile,
            int segments,
            int segment,
            CodeTable table,
            MemorySegment last) {
        try {
            code.invokeExact(first, tile, (long) segments, (long) (segment / 8), table.shuffles(), last);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("machine code cannot throw", e);
        }
    }
}
