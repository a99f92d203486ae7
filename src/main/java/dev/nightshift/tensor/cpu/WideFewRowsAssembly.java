package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R12;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R13;
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
import dev.nightshift.tensor.cpu.x86.Assembler.Jump;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code of {@link FewRowsLanes} for a fixed number of rows and AVX-512: tiles one after the other, or half a tile, along all k.
 * Registers hold the sums of two of a tile's vectors by all rows; of a whole tile each segment is gone through twice, so that memory is
 * read in its order. The input is written out first, eight k of every row in turn, so that it is read as one stream; a product takes
 * its float from there for all lanes. A 4-bit value comes from {@code vpermd}, a 16-bit one from a shift or a mask.
 *
 * <p>Arguments: RDI x, RSI bytes from a row of x to the next, RDX first tile or half tile, RCX how many, R8 the code book's floats or the
 * mask of upper halves, R9 out at the first one's column; on the stack those of {@link Argument}.
 */
final class WideFewRowsAssembly {
    /** Rows for which there are registers. */
    static final int MOST = 12;

    private static final int BITS = 512;
    private static final int VECTOR = 64;
    /** Vectors of a half tile. */
    private static final int VECTORS = 2;

    static final int HALF = VECTORS * VECTOR;
    static final int TILE = 2 * HALF;
    private static final int OCTET = 8;
    /** Bytes of an octet of a row's k. */
    private static final int INPUT = OCTET * Float.BYTES;
    /** How far ahead codes are fetched, and pairs of 16-bit weights. */
    private static final int CODES_AHEAD = 32 * TILE;

    private static final int PAIRS_AHEAD = 64 * TILE;

    /** Vector registers: from 0 on two sums a row, then codes, values of two k, and the code book or the mask of upper halves. */
    private static final int CODES = VECTORS * MOST;

    private static final int VALUES = CODES + VECTORS;
    private static final int CONSTANT = VALUES + 2 * VECTORS;

    private static final General[] SAVED = {RBX, RBP, R12, R13};

    /** On the stack, behind saved registers and the way back. */
    enum Argument {
        /** Bytes from a row of out to the next. */
        OUT_ROW,
        SEGMENTS,
        /** Octets of k in a segment. */
        OCTETS,
        /** Where x goes: {@link #inputBytes}. */
        INPUT,
        /** Zero if x is there already. */
        WRITE,
        /** {@link #TOTAL_BYTES}. */
        TOTALS,
        /** Bytes from a tile to the next. */
        STEP;

        Memory at() {
            return new Memory(RSP, 8 * (SAVED.length + 1 + ordinal()));
        }
    }

    static final long TOTAL_BYTES = (long) MOST * TILE;

    private final Assembler a = new Assembler(BITS);
    private final int rows;
    private final boolean fourBit;
    /** Halves of a tile that are worked on: 1 or 2. */
    private final int halves;

    private WideFewRowsAssembly(int rows, boolean fourBit, int halves) {
        this.rows = rows;
        this.fourBit = fourBit;
        this.halves = halves;
    }

    /** @param rows 1 to {@link #MOST} */
    static byte[] fourBit(int rows, int halves) {
        return new WideFewRowsAssembly(rows, true, halves).emit();
    }

    /** For BF16, pairs of k ({@link DenseLanes}); there is no code book. */
    static byte[] bf16(int rows, int halves) {
        return new WideFewRowsAssembly(rows, false, halves).emit();
    }

    static long inputBytes(int columns, int rows) {
        return (long) columns * rows * Float.BYTES;
    }

    private byte[] emit() {
        for (General register : SAVED) {
            a.push(register);
        }
        a.mov(RAX, Argument.WRITE.at());
        a.test(RAX);
        Jump written = a.jz();
        writeInput();
        a.land(written);
        a.vmovups(CONSTANT, new Memory(R8, 0));
        a.mov(R8, Argument.TOTALS.at());
        Label unit = a.here();
        multiply();
        store();
        a.add(RDX, Argument.STEP.at());
        a.add(R9, halves * HALF);
        again(RCX, unit);
        for (int i = SAVED.length; i-- > 0; ) {
            a.pop(SAVED[i]);
        }
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    private void again(General counter, Label label) {
        a.sub(counter, 1);
        a.jnz(label);
    }

    private void writeInput() {
        a.mov(RAX, Argument.INPUT.at());
        a.mov(RBP, Argument.SEGMENTS.at());
        Label segment = a.here();
        a.mov(R11, Argument.OCTETS.at());
        Label octet = a.here();
        a.mov(R10, RDI);
        for (int row = 0; row < rows; row++) {
            a.vmovupsEight(0, new Memory(R10, 0));
            a.vmovupsEight(new Memory(RAX, row * INPUT), 0);
            a.add(R10, RSI);
        }
        a.add(RAX, rows * INPUT);
        a.add(RDI, INPUT);
        again(R11, octet);
        again(RBP, segment);
    }

    /** Totals of the tile, or the half of it, at RDX, to memory. */
    private void multiply() {
        a.vxorps(0, 0, 0);
        for (int vector = 0; vector < halves * rows * VECTORS; vector++) {
            a.vmovups(new Memory(R8, vector * VECTOR), 0);
        }
        a.mov(RAX, Argument.INPUT.at());
        a.mov(RBP, Argument.SEGMENTS.at());
        a.mov(R12, RDX);
        Label segment = a.here();
        a.mov(RBX, R12);
        a.mov(R13, RAX);
        for (int half = 0; half < halves; half++) {
            a.mov(RAX, R13);
            a.mov(R12, RBX);
            a.add(R12, half * HALF + (fourBit ? TILE : 0));
            a.mov(R11, Argument.OCTETS.at());
            for (int sum = 0; sum < rows * VECTORS; sum++) {
                a.vxorps(sum, sum, sum);
            }
            Label octet = a.here();
            if (fourBit) {
                codes();
            } else {
                pairs();
            }
            a.add(RAX, rows * INPUT);
            again(R11, octet);
            fold(half);
        }
        a.sub(R12, (halves - 1) * HALF);
        again(RBP, segment);
    }

    private void codes() {
        for (int v = 0; v < VECTORS; v++) {
            a.vmovups(CODES + v, new Memory(R12, v * VECTOR));
            a.prefetcht0(new Memory(R12, CODES_AHEAD + v * VECTOR));
        }
        for (int k = 0; k < OCTET; k++) {
            int values = VALUES + k % 2 * VECTORS;
            for (int v = 0; v < VECTORS; v++) {
                a.vpermd(values + v, CODES + v, CONSTANT);
                if (k < OCTET - 1) {
                    a.vpsrld(CODES + v, CODES + v, 4);
                }
            }
            products(k, values);
        }
        a.add(R12, TILE);
    }

    private void pairs() {
        for (int pair = 0; pair < OCTET / 2; pair++) {
            for (int v = 0; v < VECTORS; v++) {
                a.vmovups(CODES + v, new Memory(R12, pair * TILE + v * VECTOR));
                a.prefetcht0(new Memory(R12, PAIRS_AHEAD + pair * TILE + v * VECTOR));
                a.vpslld(VALUES + v, CODES + v, Short.SIZE);
                a.vpand(VALUES + VECTORS + v, CODES + v, CONSTANT);
            }
            products(2 * pair, VALUES);
            products(2 * pair + 1, VALUES + VECTORS);
        }
        a.add(R12, OCTET / 2 * TILE);
    }

    private void products(int k, int values) {
        for (int row = 0; row < rows; row++) {
            for (int v = 0; v < VECTORS; v++) {
                a.vfmadd231psOne(row * VECTORS + v, values + v, new Memory(RAX, row * INPUT + k * Float.BYTES));
            }
        }
    }

    /** {@code totals += sums * scale}; a 16-bit weight has no scales. */
    private void fold(int half) {
        if (fourBit) {
            for (int v = 0; v < VECTORS; v++) {
                a.vmovups(VALUES + v, new Memory(RBX, half * HALF + v * VECTOR));
            }
        }
        for (int vector = 0; vector < rows * VECTORS; vector++) {
            Memory total = total(half, vector);
            if (fourBit) {
                a.vfmadd213ps(vector, VALUES + vector % VECTORS, total);
            } else {
                a.vaddps(vector, vector, total);
            }
            a.vmovups(total, vector);
        }
    }

    private Memory total(int half, int vector) {
        return new Memory(R8, (half * rows * VECTORS + vector) * VECTOR);
    }

    /** Totals to the rows of out. */
    private void store() {
        a.mov(R10, R9);
        for (int row = 0; row < rows; row++) {
            for (int v = 0; v < halves * VECTORS; v++) {
                a.vmovups(v, total(v / VECTORS, row * VECTORS + v % VECTORS));
                a.vmovups(new Memory(R10, v * VECTOR), v);
            }
            a.add(R10, Argument.OUT_ROW.at());
        }
    }
}
