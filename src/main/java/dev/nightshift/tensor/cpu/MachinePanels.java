package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;

/** {@link PanelLanes} in machine code ({@link PanelAssembly}). */
final class MachinePanels implements PanelLanes {
    private static final MemoryLayout[] ARGUMENTS = {
        ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG
    };

    private static final MethodHandle NARROW = multiply(MachineCode.BITS, false);
    private static final MethodHandle NARROW_OCTETS = multiply(MachineCode.BITS, true);
    private static final MethodHandle NARROW_FINISH = finish(MachineCode.BITS, false);
    private static final MethodHandle NARROW_FINISH_OCTETS = finish(MachineCode.BITS, true);
    private static final MethodHandle WIDE = multiply(MachineCode.WIDE_BITS, false);
    private static final MethodHandle WIDE_OCTETS = multiply(MachineCode.WIDE_BITS, true);
    private static final MethodHandle WIDE_FINISH = finish(MachineCode.WIDE_BITS, false);
    private static final MethodHandle WIDE_FINISH_OCTETS = finish(MachineCode.WIDE_BITS, true);

    private final PanelLanes vector;
    private final boolean wide;
    private final int size;
    private final int tileRows;

    /** @param vector what has no machine code goes there */
    MachinePanels(PanelLanes vector, int bits) {
        this.vector = vector;
        wide = bits == MachineCode.WIDE_BITS;
        size = PanelAssembly.rows(bits);
        tileRows = Linear.tileRows(bits);
    }

    private static MethodHandle multiply(int bits, boolean octets) {
        return MachineCode.function(PanelAssembly.multiply(bits, octets), ARGUMENTS);
    }

    private static MethodHandle finish(int bits, boolean octets) {
        return MachineCode.function(PanelAssembly.finish(bits, octets), ARGUMENTS);
    }

    @Override
    public int group() {
        return size;
    }

    @Override
    public boolean octets(int columns) {
        return columns % RowGroups.OCTET == 0;
    }

    // a method handle is inlined only where it is a constant

    @Override
    public void multiply(
            Floats x,
            int xo,
            int stride,
            boolean octets,
            int groups,
            Floats panel,
            int po,
            int segments,
            int segment,
            Floats scales,
            int so,
            Floats totals) {
        multiply(x, xo, stride, octets, groups, panel, po, segments, segment, scales, so, totals, 0);
    }

    /** @param to where the totals begin in their array */
    private void multiply(
            Floats x,
            int xo,
            int stride,
            boolean octets,
            int groups,
            Floats panel,
            int po,
            int segments,
            int segment,
            Floats scales,
            int so,
            Floats totals,
            int to) {
        if (wide && octets) {
            call(WIDE_OCTETS, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals, to, 0, 0);
        } else if (wide) {
            call(WIDE, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals, to, 0, 0);
        } else if (octets) {
            call(NARROW_OCTETS, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals, to, 0, 0);
        } else {
            call(NARROW, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals, to, 0, 0);
        }
    }

    @Override
    public void finish(
            Floats x,
            int xo,
            int stride,
            boolean octets,
            int rows,
            Floats panel,
            int po,
            int segments,
            int segment,
            Floats scales,
            int so,
            Floats totals,
            long out,
            long outRow) {
        int whole = rows / size;
        if (whole > 0) {
            finishGroups(x, xo, stride, octets, whole, panel, po, segments, segment, scales, so, totals, out, outRow);
        }
        int done = whole * size;
        if (done < rows) {
            int at = xo + whole * stride;
            int to = done * tileRows;
            multiply(x, at, stride, octets, 1, panel, po, segments, segment, scales, so, totals, to);
            for (int row = done; row < rows; row++) {
                store(totals.values(), row * tileRows, tileRows, 0, out + row * outRow);
            }
        }
    }

    private void finishGroups(
            Floats x,
            int xo,
            int stride,
            boolean octets,
            int groups,
            Floats panel,
            int po,
            int segments,
            int segment,
            Floats scales,
            int so,
            Floats totals,
            long out,
            long row) {
        if (wide && octets) {
            call(
                    WIDE_FINISH_OCTETS,
                    x,
                    xo,
                    stride,
                    groups,
                    panel,
                    po,
                    segments,
                    segment,
                    scales,
                    so,
                    totals,
                    0,
                    out,
                    row);
        } else if (wide) {
            call(WIDE_FINISH, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals, 0, out, row);
        } else if (octets) {
            call(
                    NARROW_FINISH_OCTETS,
                    x,
                    xo,
                    stride,
                    groups,
                    panel,
                    po,
                    segments,
                    segment,
                    scales,
                    so,
                    totals,
                    0,
                    out,
                    row);
        } else {
            call(NARROW_FINISH, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals, 0, out, row);
        }
    }

    private static void call(
            MethodHandle code,
            Floats x,
            int xo,
            int stride,
            int groups,
            Floats panel,
            int po,
            int segments,
            int segment,
            Floats scales,
            int so,
            Floats totals,
            int to,
            long out,
            long outRow) {
        try {
            code.invokeExact(
                    x.memory(),
                    panel.memory(),
                    scales.memory(),
                    totals.memory(),
                    (long) segments,
                    (long) segment,
                    4L * xo,
                    4L * po,
                    4L * so,
                    4L * to,
                    4L * stride,
                    (long) groups,
                    out,
                    outRow);
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void store(float[] totals, int from, int count, long bias, long out) {
        vector.store(totals, from, count, bias, out);
    }
}
