package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R9;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RAX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RCX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSP;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code of {@link ChainLanes}.
 *
 * <p>Arguments: RDI x, RSI panel, RDX totals, RCX k, R8 groups, R9 bytes from one group of x to the next, and on the stack, in
 * bytes, where x, the panel and the totals begin in their arrays.
 */
final class ChainAssembly {
    private static final int ROWS = ChainLanes.GROUP;
    private static final int LINE = ChainLanes.COLUMNS * Float.BYTES;

    /** Vector registers: 0 to 7 sums, then two values and an input. */
    private static final int VALUE = 8;

    private static final int INPUT = 10;

    private final Assembler a;
    private final int vectorBytes;
    private final int rowStep;
    private final int kStep;
    private final int unrolled;

    /**
     * @param rowStep bytes from one row of x to the next
     * @param kStep bytes from one k of x to the next
     * @param unrolled of which k is a multiple
     */
    private ChainAssembly(int bits, int rowStep, int kStep, int unrolled) {
        a = new Assembler(bits);
        vectorBytes = bits / Byte.SIZE;
        this.rowStep = rowStep;
        this.kStep = kStep;
        this.unrolled = unrolled;
    }

    /** {@link ChainLanes#packed} for k that are multiples of {@code unrolled}. */
    static byte[] packed(int bits, int unrolled) {
        return new ChainAssembly(bits, Float.BYTES, ROWS * Float.BYTES, unrolled).emit();
    }

    /** {@link ChainLanes#apart}. */
    static byte[] apart(int bits, int unrolled) {
        return new ChainAssembly(bits, LINE, Float.BYTES, unrolled).emit();
    }

    private byte[] emit() {
        a.add(RDI, new Memory(RSP, 8));
        a.add(RSI, new Memory(RSP, 16));
        a.add(RDX, new Memory(RSP, 24));
        Label group = a.here();
        for (int first = 0; first < LINE; first += 2 * vectorBytes) {
            columns(first);
        }
        a.add(RDI, R9);
        a.add(RDX, ROWS * LINE);
        a.sub(R8, 1);
        a.jnz(group);
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    /** Two vectors of columns of a group. */
    private void columns(int first) {
        for (int row = 0; row < ROWS; row++) {
            a.vmovups(2 * row, new Memory(RDX, row * LINE + first));
            a.vmovups(2 * row + 1, new Memory(RDX, row * LINE + first + vectorBytes));
        }
        a.mov(RAX, RDI);
        a.mov(R10, RSI);
        a.mov(R11, RCX);
        Label k = a.here();
        for (int i = 0; i < unrolled; i++) {
            a.vmovups(VALUE, new Memory(R10, i * LINE + first));
            a.vmovups(VALUE + 1, new Memory(R10, i * LINE + first + vectorBytes));
            for (int row = 0; row < ROWS; row++) {
                a.vbroadcastss(INPUT, new Memory(RAX, i * kStep + row * rowStep));
                a.vfmadd231ps(2 * row, VALUE, INPUT);
                a.vfmadd231ps(2 * row + 1, VALUE + 1, INPUT);
            }
        }
        a.add(R10, unrolled * LINE);
        a.add(RAX, unrolled * kStep);
        a.sub(R11, unrolled);
        a.jnz(k);
        for (int row = 0; row < ROWS; row++) {
            a.vmovups(new Memory(RDX, row * LINE + first), 2 * row);
            a.vmovups(new Memory(RDX, row * LINE + first + vectorBytes), 2 * row + 1);
        }
    }
}
