package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R12;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R13;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R14;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R15;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R9;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RAX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RBP;
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
 * Machine code of {@link PanelLanes#multiply}: three rows of x by the tile's four vectors, six where there are 32 registers. Twelve
 * sums hide the latency of fma on two pipes, where eight leave no cycle to lose.
 *
 * <p>Arguments: RDI x, RSI panel, RDX scales, RCX totals, R8 segments, R9 k of a segment; on the stack those of {@link Argument}.
 */
final class PanelAssembly {
    private static final int VECTORS = 4;
    private static final int LINE = 64;
    private static final General[] SAVED = {RBX, RBP, R12, R13, R14, R15};

    /** On the stack, behind saved registers and the way back; in bytes. */
    enum Argument {
        /** Where x begins in its array, and so on. */
        X,
        PANEL,
        SCALES,
        TOTALS,
        /** From one group of x to the next. */
        STRIDE,
        /** Number of groups. */
        GROUPS,
        /** Where the first row's totals go. */
        OUT,
        /** From there to the next row's. */
        OUT_ROW;

        Memory at() {
            return new Memory(RSP, 8 * (SAVED.length + 1 + ordinal()));
        }
    }

    private final Assembler a;
    private final int vectorBytes;
    private final int tileBytes;
    private final int rows;
    private final boolean octets;
    private final boolean finish;

    /** k that are unrolled: four fifths of the time of one after the other. */
    private final int unrolled;

    /** Vector registers: sums, then from here on an input of each row. */
    private final int input;

    private final int value;

    private PanelAssembly(int bits, boolean octets, boolean finish) {
        a = new Assembler(bits);
        vectorBytes = bits / Byte.SIZE;
        tileBytes = VECTORS * vectorBytes;
        rows = rows(bits);
        this.octets = octets;
        this.finish = finish;
        unrolled = octets ? RowGroups.OCTET : 1;
        input = VECTORS * rows;
        value = input + rows;
    }

    /** Rows of x that are packed together. */
    static int rows(int bits) {
        return bits == MachineCode.WIDE_BITS ? 6 : 3;
    }

    /** @param octets how x is packed */
    static byte[] multiply(int bits, boolean octets) {
        return new PanelAssembly(bits, octets, false).emit();
    }

    /** {@link PanelLanes#finish} of whole groups. */
    static byte[] finish(int bits, boolean octets) {
        return new PanelAssembly(bits, octets, true).emit();
    }

    private byte[] emit() {
        for (General register : SAVED) {
            a.push(register);
        }
        a.add(RDI, Argument.X.at());
        a.add(RSI, Argument.PANEL.at());
        a.add(RDX, Argument.SCALES.at());
        a.add(RCX, Argument.TOTALS.at());
        a.mov(RBX, Argument.GROUPS.at());
        if (finish) {
            a.mov(RBP, Argument.OUT.at());
            a.mov(R15, Argument.OUT_ROW.at());
        }
        Label group = a.here();
        if (finish) {
            fetchOut();
        }
        segments();
        if (finish) {
            store();
        }
        a.add(RDI, Argument.STRIDE.at());
        a.add(RCX, rows * tileBytes);
        a.sub(RBX, 1);
        a.jnz(group);
        for (int i = SAVED.length; i-- > 0; ) {
            a.pop(SAVED[i]);
        }
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    /** Lines of out, which lie far apart, are asked for while the group is multiplied. */
    private void fetchOut() {
        a.mov(R10, RBP);
        for (int row = 0; row < rows; row++) {
            for (int line = 0; line < tileBytes; line += LINE) {
                a.prefetchw(new Memory(R10, line));
            }
            a.add(R10, R15);
        }
    }

    /** The group's totals, which registers still hold. */
    private void store() {
        for (int row = 0; row < rows; row++) {
            for (int vector = 0; vector < VECTORS; vector++) {
                a.vmovups(new Memory(RBP, vector * vectorBytes), row * VECTORS + vector);
            }
            a.add(RBP, R15);
        }
    }

    /** A group of rows, all segments. */
    private void segments() {
        a.mov(RAX, RDI);
        a.mov(R14, RDI);
        a.add(R14, Argument.STRIDE.at());
        a.mov(R10, RSI);
        a.mov(R12, RDX);
        a.mov(R13, R8);
        Label segment = a.here();
        for (int sum = 0; sum < VECTORS * rows; sum++) {
            a.vxorps(sum, sum, sum);
        }
        a.mov(R11, R9);
        Label k = a.here();
        // the next group, to which the processor does not foresee the jump
        for (int line = 0; line < unrolled * rows * Float.BYTES; line += LINE) {
            a.prefetcht0(new Memory(R14, line));
        }
        for (int i = 0; i < unrolled; i++) {
            for (int row = 0; row < rows; row++) {
                int place = octets ? row * RowGroups.OCTET + i : row;
                a.vbroadcastss(input + row, new Memory(RAX, place * Float.BYTES));
            }
            for (int vector = 0; vector < VECTORS; vector++) {
                a.vmovups(value, new Memory(R10, i * tileBytes + vector * vectorBytes));
                for (int row = 0; row < rows; row++) {
                    a.vfmadd231ps(row * VECTORS + vector, value, input + row);
                }
            }
        }
        a.add(R10, unrolled * tileBytes);
        a.add(RAX, unrolled * rows * Float.BYTES);
        a.add(R14, unrolled * rows * Float.BYTES);
        a.sub(R11, unrolled);
        a.jnz(k);
        for (int vector = 0; vector < VECTORS; vector++) {
            a.vmovups(input, new Memory(R12, vector * vectorBytes));
            for (int row = 0; row < rows; row++) {
                Memory total = new Memory(RCX, row * tileBytes + vector * vectorBytes);
                a.vfmadd213ps(row * VECTORS + vector, input, total);
                a.vmovups(total, row * VECTORS + vector);
            }
        }
        a.add(R12, tileBytes);
        a.sub(R13, 1);
        a.jnz(segment);
    }
}
