package dev.nightshift.tensor.cpu;

import java.lang.invoke.MethodHandle;

/** {@link AttentionLanes} with the products in machine code for 512 bits ({@link AttentionAssembly}), where a column is a vector. */
final class WideAttention implements AttentionLanes {
    private static final int BITS = MachineCode.WIDE_BITS;
    private static final int SIX = QueryTile.QUERIES;
    private static final int THREE = QueryTile.HALF;
    /** Floats of a vector, of two and of four. */
    private static final int ONE_PART = BITS / Float.SIZE;

    private static final int TWO_PART = 2 * ONE_PART;
    private static final int FOUR_PART = 4 * ONE_PART;

    private static final MethodHandle SCORES_6_1 = scores(SIX, 1);
    private static final MethodHandle SCORES_6_2 = scores(SIX, 2);
    private static final MethodHandle SCORES_6_3 = scores(SIX, 3);
    private static final MethodHandle SCORES_6_4 = scores(SIX, 4);
    private static final MethodHandle SCORES_3_1 = scores(THREE, 1);
    private static final MethodHandle SCORES_3_2 = scores(THREE, 2);
    private static final MethodHandle SCORES_3_3 = scores(THREE, 3);
    private static final MethodHandle SCORES_3_4 = scores(THREE, 4);
    private static final MethodHandle VALUES_6_1 = values(SIX, 1);
    private static final MethodHandle VALUES_6_2 = values(SIX, 2);
    private static final MethodHandle VALUES_6_4 = values(SIX, 4);
    private static final MethodHandle VALUES_3_1 = values(THREE, 1);
    private static final MethodHandle VALUES_3_2 = values(THREE, 2);
    private static final MethodHandle VALUES_3_4 = values(THREE, 4);

    private final AttentionLanes narrow;

    /** @param narrow what is not here goes there */
    WideAttention(AttentionLanes narrow) {
        this.narrow = narrow;
    }

    private static MethodHandle scores(int rows, int columns) {
        return MachineAttention.scores(AttentionAssembly.scores(BITS, rows, columns, true));
    }

    private static MethodHandle values(int rows, int vectors) {
        return MachineAttention.values(AttentionAssembly.values(BITS, rows, vectors));
    }

    // a method handle is inlined only where it is a constant, so every function has its own call

    @Override
    public void scores(QueryTile tile, Longs keys, int columns, int keyStride, int headDim) {
        if (!MachineAttention.usual(tile)) {
            narrow.scores(tile, keys, columns, keyStride, headDim);
            return;
        }
        boolean six = tile.rows() == SIX;
        switch (columns) {
            case 1 -> scores(six, SCORES_6_1, SCORES_3_1, tile, keys, keyStride, headDim);
            case 2 -> scores(six, SCORES_6_2, SCORES_3_2, tile, keys, keyStride, headDim);
            case 3 -> scores(six, SCORES_6_3, SCORES_3_3, tile, keys, keyStride, headDim);
            case 4 -> scores(six, SCORES_6_4, SCORES_3_4, tile, keys, keyStride, headDim);
            default -> throw new IllegalStateException("%d columns of %d scores".formatted(columns, QueryTile.SCORES));
        }
    }

    private static void scores(
            boolean six,
            MethodHandle ofSix,
            MethodHandle ofThree,
            QueryTile tile,
            Longs keys,
            int keyStride,
            int headDim) {
        if (six) {
            MachineAttention.scores(ofSix, tile, keys, 1, keyStride, headDim);
        } else {
            MachineAttention.scores(ofThree, tile, keys, 1, keyStride, headDim);
        }
    }

    @Override
    public void values(QueryTile tile, Longs runs, int count, int valueStride) {
        if (!MachineAttention.usual(tile)) {
            narrow.values(tile, runs, count, valueStride);
            return;
        }
        boolean six = tile.rows() == SIX;
        if (valueStride % FOUR_PART == 0) {
            values(six, VALUES_6_4, VALUES_3_4, tile, runs, count, valueStride, FOUR_PART);
        } else if (valueStride % TWO_PART == 0) {
            values(six, VALUES_6_2, VALUES_3_2, tile, runs, count, valueStride, TWO_PART);
        } else {
            values(six, VALUES_6_1, VALUES_3_1, tile, runs, count, valueStride, ONE_PART);
        }
    }

    private static void values(
            boolean six,
            MethodHandle ofSix,
            MethodHandle ofThree,
            QueryTile tile,
            Longs runs,
            int count,
            int valueStride,
            int part) {
        if (six) {
            MachineAttention.values(ofSix, tile, runs, count, valueStride, part);
        } else {
            MachineAttention.values(ofThree, tile, runs, count, valueStride, part);
        }
    }

    @Override
    public void values(QueryTile tile, int query, Longs runs, int count, int valueStride) {
        narrow.values(tile, query, runs, count, valueStride);
    }

    @Override
    public void weigh(QueryTile tile, int columns) {
        narrow.weigh(tile, columns);
    }

    @Override
    public void scaled(long q, float scale, int headDim, float[] to, int at) {
        narrow.scaled(q, scale, headDim, to, at);
    }

    @Override
    public void scaled(float[] o, int at, float factor, int headDim, long out) {
        narrow.scaled(o, at, factor, headDim, out);
    }

    @Override
    public void rotate(long head, long cos, long sin, int half) {
        narrow.rotate(head, cos, sin, half);
    }
}
