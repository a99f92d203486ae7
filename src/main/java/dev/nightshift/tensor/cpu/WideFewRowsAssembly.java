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
 * its float from there for all lanes. A 4-bit value comes from {@code vpermd}, a 16-bit one from a shift or a mask, a pair of
 * {@link Tiles.Compressed} from {@link CompressedPairs}.
 *
 * <p>Arguments: RDI x, RSI bytes from a row of x to the next, RDX first tile or half tile, RCX how many, R8 the code book's floats, the
 * mask of upper halves or {@link Tiles.Compressed#constants}, R9 out at the first one's column; on the stack those of {@link Argument}.
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

    /** Registers of compressed weights from {@link #CODES} on: two of places, a pair, values of two k, and constants. */
    private static final CompressedPairs COMPRESSED = new CompressedPairs(CODES, CODES + 2, CODES + 5);

    private static final int COMPRESSED_VALUES = CODES + 3;
    private static final int COMPRESSED_UPPER = CODES + 7;
    /** How far ahead they are fetched. */
    private static final int COMPRESSED_AHEAD = 12 * Tiles.Compressed.OCTET_BYTES;

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
        /** Bytes from a tile to the next; of compressed weights the address of the first unit's kinds. */
        STEP,
        /** Of 4-bit weights: addresses of what is fetched meanwhile ({@link Upcoming}), one for each segment of each half. */
        UPCOMING,
        /** Bytes from one of them to the next. */
        UPCOMING_STEP,
        /** What is added to each of them. */
        UPCOMING_OFFSET;

        Memory at() {
            return new Memory(RSP, 8 * (SAVED.length + 1 + ordinal()));
        }
    }

    static final long TOTAL_BYTES = (long) MOST * TILE;

    private final Assembler a = new Assembler(BITS);
    private final int rows;
    private final Form form;
    /** Halves of a tile that are worked on: 1 or 2. */
    private final int halves;

    private enum Form {
        FOUR_BIT,
        BF16,
        COMPRESSED
    }

    private WideFewRowsAssembly(int rows, Form form, int halves) {
        this.rows = rows;
        this.form = form;
        this.halves = halves;
    }

    /** @param rows 1 to {@link #MOST} */
    static byte[] fourBit(int rows, int halves) {
        return new WideFewRowsAssembly(rows, Form.FOUR_BIT, halves).emit();
    }

    /** For BF16, pairs of k ({@link DenseLanes}); there is no code book. */
    static byte[] bf16(int rows, int halves) {
        return new WideFewRowsAssembly(rows, Form.BF16, halves).emit();
    }

    /** For {@link Tiles.Compressed}, whose units are half tiles. */
    static byte[] compressed(int rows) {
        return new WideFewRowsAssembly(rows, Form.COMPRESSED, 1).emit();
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
        if (form == Form.COMPRESSED) {
            COMPRESSED.constants(a, R8);
            a.vmovups(COMPRESSED_UPPER, new Memory(R8, CompressedPairs.UPPER));
            a.mov(RSI, Argument.STEP.at());
            a.mov(R12, RDX);
        } else {
            a.vmovups(CONSTANT, new Memory(R8, 0));
            a.mov(RSI, Argument.UPCOMING.at());
        }
        a.mov(R8, Argument.TOTALS.at());
        Label unit = a.here();
        if (form == Form.COMPRESSED) {
            multiplyCompressed();
        } else {
            multiply();
        }
        store();
        if (form != Form.COMPRESSED) {
            a.add(RDX, Argument.STEP.at());
        }
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
        clearTotals();
        a.mov(RAX, Argument.INPUT.at());
        a.mov(RBP, Argument.SEGMENTS.at());
        a.mov(R12, RDX);
        Label segment = a.here();
        a.mov(RBX, R12);
        a.mov(R13, RAX);
        for (int half = 0; half < halves; half++) {
            a.mov(RAX, R13);
            a.mov(R12, RBX);
            a.add(R12, half * HALF + (form == Form.FOUR_BIT ? TILE : 0));
            clearSums();
            if (form == Form.FOUR_BIT) {
                a.mov(RDI, new Memory(RSI, 0));
                a.add(RDI, Argument.UPCOMING_OFFSET.at());
                a.add(RSI, Argument.UPCOMING_STEP.at());
            }
            octets(form == Form.FOUR_BIT ? this::codes : () -> pairs(TILE, CONSTANT, PAIRS_AHEAD));
            fold(half);
        }
        a.sub(R12, (halves - 1) * HALF);
        again(RBP, segment);
    }

    /** The same for the unit at R12, whose kinds are at RSI; both end at the next one. */
    private void multiplyCompressed() {
        clearTotals();
        a.mov(RAX, Argument.INPUT.at());
        a.mov(RBP, Argument.SEGMENTS.at());
        Label segment = a.here();
        clearSums();
        a.movzx(R10, new Memory(RSI, 0));
        a.add(RSI, 1);
        a.test(R10);
        Jump coded = a.jz();
        octets(() -> pairs(Tiles.Compressed.LINES, COMPRESSED_UPPER, COMPRESSED_AHEAD));
        Jump summed = a.jmp();
        a.land(coded);
        octets(this::coded);
        a.land(summed);
        fold(0);
        again(RBP, segment);
    }

    private void clearTotals() {
        a.vxorps(0, 0, 0);
        for (int vector = 0; vector < halves * rows * VECTORS; vector++) {
            a.vmovups(new Memory(R8, vector * VECTOR), 0);
        }
    }

    private void clearSums() {
        for (int sum = 0; sum < rows * VECTORS; sum++) {
            a.vxorps(sum, sum, sum);
        }
    }

    /** All octets of a segment. */
    private void octets(Runnable one) {
        a.mov(R11, Argument.OCTETS.at());
        Label octet = a.here();
        one.run();
        a.add(RAX, rows * INPUT);
        again(R11, octet);
    }

    private void codes() {
        for (int v = 0; v < VECTORS; v++) {
            a.vmovups(CODES + v, new Memory(R12, v * VECTOR));
            a.prefetcht0(new Memory(R12, CODES_AHEAD + v * VECTOR));
        }
        a.prefetcht1(new Memory(RDI, 0));
        a.add(RDI, Lanes.LINE);
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

    /**
     * Octet of 16-bit weights.
     *
     * @param line bytes from a pair of k to the next
     * @param upper register with the mask of upper halves
     */
    private void pairs(int line, int upper, int ahead) {
        for (int pair = 0; pair < OCTET / 2; pair++) {
            for (int v = 0; v < VECTORS; v++) {
                a.vmovups(CODES, new Memory(R12, pair * line + v * VECTOR));
                a.prefetcht0(new Memory(R12, ahead + pair * line + v * VECTOR));
                a.vpslld(CODES + 1, CODES, Short.SIZE);
                a.vpand(CODES + 2, CODES, upper);
                product(2 * pair, v, CODES + 1);
                product(2 * pair + 1, v, CODES + 2);
            }
        }
        a.add(R12, OCTET / 2 * line);
    }

    /** Octet of compressed weights. */
    private void coded() {
        for (int line = 0; line < Tiles.Compressed.OCTET_BYTES; line += Lanes.LINE) {
            a.prefetcht0(new Memory(R12, COMPRESSED_AHEAD + line));
        }
        for (int pair = 0; pair < OCTET / 2; pair++) {
            for (int v = 0; v < VECTORS; v++) {
                COMPRESSED.pair(a, R12, pair, v);
                a.vpslld(COMPRESSED_VALUES, COMPRESSED.value(), Short.SIZE);
                a.vpand(COMPRESSED_VALUES + 1, COMPRESSED.value(), COMPRESSED_UPPER);
                product(2 * pair, v, COMPRESSED_VALUES);
                product(2 * pair + 1, v, COMPRESSED_VALUES + 1);
            }
        }
        a.add(R12, Tiles.Compressed.OCTET_BYTES);
    }

    private void product(int k, int v, int value) {
        for (int row = 0; row < rows; row++) {
            a.vfmadd231psOne(row * VECTORS + v, value, new Memory(RAX, row * INPUT + k * Float.BYTES));
        }
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
        if (form == Form.FOUR_BIT) {
            for (int v = 0; v < VECTORS; v++) {
                a.vmovups(VALUES + v, new Memory(RBX, half * HALF + v * VECTOR));
            }
        }
        for (int vector = 0; vector < rows * VECTORS; vector++) {
            Memory total = total(half, vector);
            if (form == Form.FOUR_BIT) {
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
