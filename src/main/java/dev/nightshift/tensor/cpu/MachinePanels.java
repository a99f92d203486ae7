package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.invoke.MethodHandle;

/** {@link PanelLanes} in machine code ({@link PanelAssembly}). */
final class MachinePanels implements PanelLanes {
    private static final int OCTET = 8;
    private static final MethodHandle OCTETS = function(OCTET);
    private static final MethodHandle SINGLES = function(1);

    private final PanelLanes vector;

    /** @param vector what has no machine code goes there */
    MachinePanels(PanelLanes vector) {
        this.vector = vector;
    }

    private static MethodHandle function(int unrolled) {
        return MachineCode.function(
                PanelAssembly.multiply(unrolled),
                ADDRESS,
                ADDRESS,
                ADDRESS,
                ADDRESS,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG);
    }

    @Override
    public int group() {
        return PanelAssembly.ROWS;
    }

    @Override
    public void multiply(
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
            Floats totals) {
        // a method handle is inlined only where it is a constant
        if (segment % OCTET == 0) {
            multiply(OCTETS, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals);
        } else {
            multiply(SINGLES, x, xo, stride, groups, panel, po, segments, segment, scales, so, totals);
        }
    }

    private static void multiply(
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
            Floats totals) {
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
                    4L * stride,
                    (long) groups);
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }

    @Override
    public void store(float[] totals, int from, int count, long bias, long out) {
        vector.store(totals, from, count, bias, out);
    }
}
