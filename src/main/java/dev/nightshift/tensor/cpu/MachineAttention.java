package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** {@link AttentionLanes} in machine code ({@link AttentionAssembly}) for heads and blocks of usual sizes. */
final class MachineAttention implements AttentionLanes {
    private static final int SIX = QueryTile.QUERIES;
    private static final int THREE = QueryTile.HALF;
    /** Floats of two vectors, and of four. */
    private static final int PART = 16;

    private static final int LONG_PART = 2 * PART;

    private static final MethodHandle SCORES_OF_SIX = scores(SIX, 1, true);
    private static final MethodHandle SCORES_OF_THREE = scores(THREE, 2, false);
    private static final MethodHandle WEIGH_1 = weigh(1);
    private static final MethodHandle WEIGH_2 = weigh(2);
    private static final MethodHandle WEIGH_3 = weigh(3);
    private static final MethodHandle WEIGH_4 = weigh(4);
    private static final MethodHandle VALUES_OF_SIX = values(SIX, 2);
    private static final MethodHandle VALUES_OF_THREE = values(THREE, 4);
    private static final MethodHandle SHORT_VALUES_OF_THREE = values(THREE, 2);
    private static final MethodHandle VALUES_OF_ONE = MachineCode.function(
            AttentionAssembly.values(MachineCode.BITS, 2),
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG);
    private static final MemorySegment CONSTANTS = MemorySegment.ofArray(AttentionAssembly.constants());

    private final AttentionLanes vector;

    /** @param vector what has no machine code goes there */
    MachineAttention(AttentionLanes vector) {
        this.vector = vector;
    }

    private static MethodHandle scores(int rows, int columns, boolean ahead) {
        return scores(AttentionAssembly.scores(MachineCode.BITS, rows, columns, ahead));
    }

    /** A function that {@link #scores(MethodHandle, QueryTile, Longs, int, int, int)} calls. */
    static MethodHandle scores(byte[] code) {
        return MachineCode.function(code, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    private static MethodHandle weigh(int columns) {
        return MachineCode.function(AttentionAssembly.weigh(columns), ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    }

    private static MethodHandle values(int rows, int vectors) {
        return values(AttentionAssembly.values(MachineCode.BITS, rows, vectors));
    }

    /** A function that {@link #values(MethodHandle, QueryTile, Longs, int, int, int)} calls. */
    static MethodHandle values(byte[] code) {
        return MachineCode.function(code, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    static boolean usual(QueryTile tile) {
        return tile.head == QueryTile.HEAD && tile.scores == QueryTile.SCORES;
    }

    // a method handle is inlined only where it is a constant, so every function has its own call

    @Override
    public void scores(QueryTile tile, Longs keys, int columns, int keyStride, int headDim) {
        if (!usual(tile)) {
            vector.scores(tile, keys, columns, keyStride, headDim);
        } else if (tile.rows() == SIX) {
            scores(SCORES_OF_SIX, tile, keys, columns, keyStride, headDim);
        } else {
            // an odd column goes with itself
            int last = columns - 1 | 1;
            long kept = keys.values()[last];
            keys.values()[last] = keys.values()[columns - 1];
            scores(SCORES_OF_THREE, tile, keys, (columns + 1) / 2, keyStride, headDim);
            keys.values()[last] = kept;
        }
    }

    static void scores(MethodHandle code, QueryTile tile, Longs keys, int times, int keyStride, int headDim) {
        try {
            code.invokeExact(
                    tile.q.memory(),
                    keys.memory(),
                    tile.s.memory(),
                    4L * keyStride,
                    (long) headDim,
                    (long) times,
                    4L * headDim * keyStride);
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void weigh(QueryTile tile, int columns) {
        if (!usual(tile)) {
            vector.weigh(tile, columns);
            return;
        }
        switch (columns) {
            case 1 -> weigh(WEIGH_1, tile);
            case 2 -> weigh(WEIGH_2, tile);
            case 3 -> weigh(WEIGH_3, tile);
            case 4 -> weigh(WEIGH_4, tile);
            default -> throw new IllegalStateException("%d columns of %d scores".formatted(columns, QueryTile.SCORES));
        }
    }

    private static void weigh(MethodHandle code, QueryTile tile) {
        try {
            code.invokeExact(tile.s.memory(), tile.state.memory(), CONSTANTS, (long) tile.rows());
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void values(QueryTile tile, Longs runs, int count, int valueStride) {
        if (!usual(tile)) {
            vector.values(tile, runs, count, valueStride);
        } else if (tile.rows() == SIX) {
            values(VALUES_OF_SIX, tile, runs, count, valueStride, PART);
        } else if (valueStride % LONG_PART == 0) {
            values(VALUES_OF_THREE, tile, runs, count, valueStride, LONG_PART);
        } else {
            values(SHORT_VALUES_OF_THREE, tile, runs, count, valueStride, PART);
        }
    }

    static void values(MethodHandle code, QueryTile tile, Longs runs, int count, int valueStride, int part) {
        try {
            code.invokeExact(
                    tile.s.memory(),
                    runs.memory(),
                    tile.o.memory(),
                    tile.state.memory(),
                    4L * valueStride,
                    (long) count,
                    (long) (valueStride / part));
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void values(QueryTile tile, int query, Longs runs, int count, int valueStride) {
        if (!usual(tile)) {
            vector.values(tile, query, runs, count, valueStride);
            return;
        }
        try {
            VALUES_OF_ONE.invokeExact(
                    tile.s.memory(),
                    runs.memory(),
                    tile.o.memory(),
                    tile.state.memory(),
                    4L * valueStride,
                    (long) count,
                    (long) (valueStride / PART),
                    4L * query * tile.scores,
                    4L * query * tile.head);
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void scaled(long q, float scale, int headDim, float[] to, int at) {
        vector.scaled(q, scale, headDim, to, at);
    }

    @Override
    public void scaled(float[] o, int at, float factor, int headDim, long out) {
        vector.scaled(o, at, factor, headDim, out);
    }

    @Override
    public void rotate(long head, long cos, long sin, int half) {
        vector.rotate(head, cos, sin, half);
    }
}
