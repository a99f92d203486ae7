package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R12;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R13;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R14;
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
 * Machine code of {@link PanelLanes#multiply} for tiles of 32 rows: three rows of x by its four vectors: twelve sums
 * hide the latency of fma on two pipes, where eight leave no cycle to lose.
 *
 * <p>Arguments: RDI x, RSI panel, RDX scales, RCX totals, R8 segments, R9 k of a segment, and on the stack, in bytes: where x, the
 * panel and the scales begin in their arrays, and from one group of x to the next; last the number of groups.
 */
final class PanelAssembly {
    private static final int VECTOR = 32;
    private static final int VECTORS = 4;
    private static final int TILE = VECTORS * VECTOR;
    static final int ROWS = 3;
    private static final int LINE = 64;
    private static final General[] SAVED = {RBX, R12, R13, R14};

    /** Vector registers: 0 to 11 sums, then an input of each row and a value. */
    private static final int INPUT = VECTORS * ROWS;

    private static final int VALUE = INPUT + ROWS;

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
        segments();
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

    /** A group of rows, all segments. */
    private void segments() {
        a.mov(RAX, RDI);
        a.mov(R14, RDI);
        a.add(R14, argument(3));
        a.mov(R10, RSI);
        a.mov(R12, RDX);
        a.mov(R13, R8);
        Label segment = a.here();
        for (int sum = 0; sum < VECTORS * ROWS; sum++) {
            a.vxorps(sum, sum, sum);
        }
        a.mov(R11, R9);
        Label k = a.here();
        // the next group, to which the processor does not foresee the jump
        for (int line = 0; line < unrolled * ROWS * Float.BYTES; line += LINE) {
            a.prefetcht0(new Memory(R14, line));
        }
        for (int i = 0; i < unrolled; i++) {
            for (int row = 0; row < ROWS; row++) {
                a.vbroadcastss(INPUT + row, new Memory(RAX, (i * ROWS + row) * Float.BYTES));
            }
            for (int vector = 0; vector < VECTORS; vector++) {
                a.vmovups(VALUE, new Memory(R10, i * TILE + vector * VECTOR));
                for (int row = 0; row < ROWS; row++) {
                    a.vfmadd231ps(row * VECTORS + vector, VALUE, INPUT + row);
                }
            }
        }
        a.add(R10, unrolled * TILE);
        a.add(RAX, unrolled * ROWS * Float.BYTES);
        a.add(R14, unrolled * ROWS * Float.BYTES);
        a.sub(R11, unrolled);
        a.jnz(k);
        for (int vector = 0; vector < VECTORS; vector++) {
            a.vmovups(INPUT, new Memory(R12, vector * VECTOR));
            for (int row = 0; row < ROWS; row++) {
                Memory total = new Memory(RCX, row * TILE + vector * VECTOR);
                a.vmovups(VALUE, total);
                a.vfmadd231ps(VALUE, row * VECTORS + vector, INPUT);
                a.vmovups(total, VALUE);
            }
        }
        a.add(R12, TILE);
        a.sub(R13, 1);
        a.jnz(segment);
    }
}
