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
    public void multiply(PanelProduct p, int groups) {
        multiply(p, 0, groups);
    }

    private void multiply(PanelProduct p, int group, int groups) {
        if (wide && p.octets) {
            call(WIDE_OCTETS, p, group, groups, 0, 0);
        } else if (wide) {
            call(WIDE, p, group, groups, 0, 0);
        } else if (p.octets) {
            call(NARROW_OCTETS, p, group, groups, 0, 0);
        } else {
            call(NARROW, p, group, groups, 0, 0);
        }
    }

    @Override
    public void finish(PanelProduct p, int rows, long out, long outRow) {
        int whole = rows / size;
        if (whole > 0) {
            finishGroups(p, whole, out, outRow);
        }
        int done = whole * size;
        if (done < rows) {
            multiply(p, whole, 1);
            for (int row = done; row < rows; row++) {
                store(p.totals.values(), row * tileRows, tileRows, 0, out + row * outRow);
            }
        }
    }

    private void finishGroups(PanelProduct p, int groups, long out, long outRow) {
        if (wide && p.octets) {
            call(WIDE_FINISH_OCTETS, p, 0, groups, out, outRow);
        } else if (wide) {
            call(WIDE_FINISH, p, 0, groups, out, outRow);
        } else if (p.octets) {
            call(NARROW_FINISH_OCTETS, p, 0, groups, out, outRow);
        } else {
            call(NARROW_FINISH, p, 0, groups, out, outRow);
        }
    }

    /** @param group the first of {@code groups} */
    private void call(MethodHandle code, PanelProduct p, int group, int groups, long out, long outRow) {
        try {
            code.invokeExact(
                    p.x.memory(),
                    p.panel.memory(),
                    p.scales.memory(),
                    p.totals.memory(),
                    (long) p.segments,
                    (long) p.segment,
                    4L * (p.xFrom + group * p.stride),
                    4L * p.panelFrom,
                    0L,
                    4L * group * size * tileRows,
                    4L * p.stride,
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
