package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.invoke.MethodHandle;

/** {@link ChainLanes} in machine code ({@link ChainAssembly}). */
final class MachineChains implements ChainLanes {
    private static final int OCTET = 8;
    private static final int NARROW = MachineCode.BITS;
    private static final int WIDE = MachineCode.WIDE_BITS;
    private static final MethodHandle PACKED_OCTETS = function(ChainAssembly.packed(NARROW, OCTET));
    private static final MethodHandle PACKED_QUARTETS = function(ChainAssembly.packed(NARROW, OCTET / 2));
    private static final MethodHandle PACKED_SINGLES = function(ChainAssembly.packed(NARROW, 1));
    private static final MethodHandle APART = function(ChainAssembly.apart(NARROW, OCTET));
    private static final MethodHandle WIDE_OCTETS = function(ChainAssembly.packed(WIDE, OCTET));
    private static final MethodHandle WIDE_QUARTETS = function(ChainAssembly.packed(WIDE, OCTET / 2));
    private static final MethodHandle WIDE_SINGLES = function(ChainAssembly.packed(WIDE, 1));
    private static final MethodHandle WIDE_APART = function(ChainAssembly.apart(WIDE, OCTET));

    private final boolean wide;

    /** @param bits 256 or 512 */
    MachineChains(int bits) {
        wide = bits == WIDE;
    }

    private static MethodHandle function(byte[] code) {
        return MachineCode.function(
                code, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    // a method handle is inlined only where it is a constant, so every function has its own call

    @Override
    public void packed(Floats x, int xo, int stride, int groups, Floats panel, int po, int k, Floats totals, int to) {
        if (groups == 0 || k == 0) {
            return;
        }
        if (wide) {
            packedWide(x, xo, stride, groups, panel, po, k, totals, to);
        } else if (k % OCTET == 0) {
            call(PACKED_OCTETS, x, xo, stride, groups, panel, po, k, totals, to);
        } else if (k % (OCTET / 2) == 0) {
            call(PACKED_QUARTETS, x, xo, stride, groups, panel, po, k, totals, to);
        } else {
            call(PACKED_SINGLES, x, xo, stride, groups, panel, po, k, totals, to);
        }
    }

    private static void packedWide(
            Floats x, int xo, int stride, int groups, Floats panel, int po, int k, Floats totals, int to) {
        if (k % OCTET == 0) {
            call(WIDE_OCTETS, x, xo, stride, groups, panel, po, k, totals, to);
        } else if (k % (OCTET / 2) == 0) {
            call(WIDE_QUARTETS, x, xo, stride, groups, panel, po, k, totals, to);
        } else {
            call(WIDE_SINGLES, x, xo, stride, groups, panel, po, k, totals, to);
        }
    }

    @Override
    public void apart(Floats x, int xo, int groups, Floats panel, int po, Floats totals, int to) {
        if (groups == 0) {
            return;
        }
        if (wide) {
            call(WIDE_APART, x, xo, GROUP * COLUMNS, groups, panel, po, COLUMNS, totals, to);
        } else {
            call(APART, x, xo, GROUP * COLUMNS, groups, panel, po, COLUMNS, totals, to);
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
            int k,
            Floats totals,
            int to) {
        try {
            code.invokeExact(
                    x.memory(),
                    panel.memory(),
                    totals.memory(),
                    (long) k,
                    (long) groups,
                    4L * stride,
                    4L * xo,
                    4L * po,
                    4L * to);
        } catch (Throwable e) {
            throw MachineCode.thrown(e);
        }
    }
}
