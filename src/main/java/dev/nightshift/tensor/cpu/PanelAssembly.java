package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R12;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R13;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R9;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RAX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RBX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RCX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSP;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.General;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code of {@link PanelLanes#multiply} for tiles of 32 rows: four rows of x by two vectors of the panel at a time.
 *
 * <p>Arguments: RDI x, RSI panel, RDX scales, RCX totals, R8 segments, R9 k of a segment, and on the stack, in bytes: where x, the
 * panel and the scales begin in their arrays, and from one group of x to the next; last the number of groups.
 */
final class PanelAssembly {
    private static final int VECTOR = 32;
    private static final int TILE = 4 * VECTOR;
    private static final int ROWS = PanelLanes.GROUP;
    private static final General[] SAVED = {RBX, R12, R13};

    /** Vector registers: 0 to 7 sums, then two values and an input. */
    private static final int VALUE = 8;

    private static final int INPUT = 10;

    private final Assembler a = new Assembler();

    private final int unrolled;

    private PanelAssembly(int unrolled) {
        this.unrolled = unrolled;
    }

    /** @param unrolled of which the length of a segment is a multiple; 8 takes four fifths of the time of 1 */
    static byte[] multiply(int unrolled) {
        return new PanelAssembly(unrolled).emit();
    }

    private byte[] emit() {
        for (General register : SAVED) {
            a.push(register);
        }
        a.add(RDI, argument(0));
        a.add(RSI, argument(1));
        a.add(RDX, argument(2));
        a.mov(RBX, argument(4));
        Label group = a.here();
        column(0);
        column(1);
        a.add(RDI, argument(3));
        a.add(RCX, ROWS * TILE);
        a.sub(RBX, 1);
        a.jnz(group);
        for (int i = SAVED.length; i-- > 0; ) {
            a.pop(SAVED[i]);
        }
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    private static Memory argument(int index) {
        return new Memory(RSP, 8 * (SAVED.length + 1 + index));
    }

    /** Two vectors of the panel, all segments. */
    private void column(int pair) {
        int first = 2 * pair * VECTOR;
        a.mov(RAX, RDI);
        a.mov(R10, RSI);
        a.mov(R12, RDX);
        a.mov(R13, R8);
        Label segment = a.here();
        for (int sum = 0; sum < 2 * ROWS; sum++) {
            a.vxorps(sum, sum, sum);
        }
        a.mov(R11, R9);
        Label k = a.here();
        for (int i = 0; i < unrolled; i++) {
            int value = i * TILE + first;
            a.vmovups(VALUE, new Memory(R10, value));
            a.vmovups(VALUE + 1, new Memory(R10, value + VECTOR));
            for (int row = 0; row < ROWS; row++) {
                a.vbroadcastss(INPUT, new Memory(RAX, (i * ROWS + row) * Float.BYTES));
                a.vfmadd231ps(2 * row, VALUE, INPUT);
                a.vfmadd231ps(2 * row + 1, VALUE + 1, INPUT);
            }
        }
        a.add(R10, unrolled * TILE);
        a.add(RAX, unrolled * ROWS * Float.BYTES);
        a.sub(R11, unrolled);
        a.jnz(k);
        for (int vector = 0; vector < 2; vector++) {
            a.vmovups(INPUT, new Memory(R12, first + vector * VECTOR));
            for (int row = 0; row < ROWS; row++) {
                Memory total = new Memory(RCX, row * TILE + first + vector * VECTOR);
                a.vmovups(VALUE, total);
                a.vfmadd231ps(VALUE, 2 * row + vector, INPUT);
                a.vmovups(total, VALUE);
            }
        }
        a.add(R12, TILE);
        a.sub(R13, 1);
        a.jnz(segment);
    }
}
