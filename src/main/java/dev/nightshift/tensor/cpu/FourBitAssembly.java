package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R9;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RCX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSI;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.General;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code of the loops over a 4-bit tile of 32 rows ({@link FourBitLanes}) for AVX2. A value is put together from its four
 * bytes: each byte of the code book is a table of 16 bytes, which one {@code vpshufb} looks up for 32 codes at once, and
 * {@code vpunpck} interleaves the bytes to floats. That is 26 shuffles for 64 codes, where {@code vpermd} on floats takes 16
 * of two slots each.
 *
 * <p>Arguments as the System V calling convention passes them: RDI x or panel, RSI tile, RDX segments, RCX octets of k in a
 * segment, R8 {@link #tables}, R9 totals or scales.
 */
final class FourBitAssembly {
    private static final int VECTOR = 32;
    private static final int VECTORS = 4;
    private static final int TILE = VECTORS * VECTOR;
    private static final int PLANES = 4;
    private static final int CODES = 16;

    /** Offsets in {@link #tables}: planes of bytes, then the turning of four ints, then the mask of a nibble. */
    static final int TURN = PLANES * VECTOR;

    static final int NIBBLE = TURN + VECTOR;

    /** Registers that a decoded octet leaves free: accumulators, a value, an input. */
    private static final int VALUE = 14;

    private static final int INPUT = 15;

    /** Where {@link #decode} leaves the lower and the upper words of floats: of k 0 and 2, of 1 and 3, of 4 and 6, of 5 and 7. */
    private static final int[][] WORDS = {{12, 13}, {5, 7}, {4, 6}, {8, 10}};

    private final Assembler a = new Assembler();

    private FourBitAssembly() {}

    /** What the code reads beside codes: for the code book {@code values} [16], as float bits. */
    static byte[] tables(int[] values) {
        byte[] tables = new byte[NIBBLE + VECTOR];
        for (int i = 0; i < VECTOR; i++) {
            for (int plane = 0; plane < PLANES; plane++) {
                tables[plane * VECTOR + i] = (byte) (values[i % CODES] >> 8 * plane);
            }
            // byte r of int b becomes byte b of int r, so that a row's codes lie where its floats will
            tables[TURN + i] = (byte) (i % 4 * 4 + i / 4 % 4);
            tables[NIBBLE + i] = 0x0f;
        }
        return tables;
    }

    /** {@link FourBitLanes#row}. */
    static byte[] row() {
        return new FourBitAssembly().emitRow();
    }

    /** {@link FourBitLanes#panel}. */
    static byte[] panel() {
        return new FourBitAssembly().emitPanel();
    }

    private byte[] emitRow() {
        Label segment = a.here();
        a.mov(R10, RSI);
        a.mov(R11, RCX);
        zero(VECTORS);
        Label octet = a.here();
        for (int vector = 0; vector < VECTORS; vector++) {
            decode(new Memory(RSI, TILE + vector * VECTOR));
            for (int k = 0; k < 8; k++) {
                value(k);
                a.vbroadcastss(INPUT, new Memory(RDI, k * Float.BYTES));
                a.vfmadd231ps(vector, VALUE, INPUT);
            }
        }
        a.add(RSI, TILE);
        a.add(RDI, 8 * Float.BYTES);
        again(R11, octet);
        a.add(RSI, TILE);
        for (int vector = 0; vector < VECTORS; vector++) {
            a.vmovups(INPUT, new Memory(R10, vector * VECTOR));
            fold(vector, new Memory(R9, vector * VECTOR));
        }
        return end(segment);
    }

    private byte[] emitPanel() {
        Label segment = a.here();
        for (int vector = 0; vector < VECTORS; vector++) {
            a.vmovups(VALUE, new Memory(RSI, vector * VECTOR));
            a.vmovups(new Memory(R9, vector * VECTOR), VALUE);
        }
        a.add(R9, TILE);
        a.mov(R11, RCX);
        Label octet = a.here();
        for (int vector = 0; vector < VECTORS; vector++) {
            decode(new Memory(RSI, TILE + vector * VECTOR));
            for (int k = 0; k < 8; k++) {
                value(k);
                a.vmovups(new Memory(RDI, k * TILE + vector * VECTOR), VALUE);
            }
        }
        a.add(RSI, TILE);
        a.add(RDI, 8 * TILE);
        again(R11, octet);
        a.add(RSI, TILE);
        return end(segment);
    }

    /** Codes of 8 rows and 8 k to words in registers 4 to 13, from which {@link #value} makes floats. */
    private void decode(Memory codes) {
        int low = 13;
        int high = 12;
        a.vmovups(high, codes);
        a.vpshufb(high, high, new Memory(R8, TURN));
        a.vpand(low, high, new Memory(R8, NIBBLE));
        a.vpsrlw(high, high, 4);
        a.vpand(high, high, new Memory(R8, NIBBLE));
        for (int plane = 0; plane < PLANES; plane++) {
            a.vmovups(VALUE, new Memory(R8, plane * VECTOR));
            a.vpshufb(4 + plane, VALUE, low);
            a.vpshufb(8 + plane, VALUE, high);
        }
        a.vpunpcklbw(12, 4, 5);
        a.vpunpckhbw(4, 4, 5);
        a.vpunpcklbw(13, 6, 7);
        a.vpunpckhbw(6, 6, 7);
        a.vpunpcklbw(5, 8, 9);
        a.vpunpckhbw(8, 8, 9);
        a.vpunpcklbw(7, 10, 11);
        a.vpunpckhbw(10, 10, 11);
    }

    /** Values of one k of the octet. */
    private void value(int k) {
        int[] words = WORDS[k / 4 * 2 + k % 2];
        if (k % 4 < 2) {
            a.vpunpcklwd(VALUE, words[0], words[1]);
        } else {
            a.vpunpckhwd(VALUE, words[0], words[1]);
        }
    }

    private void zero(int accumulators) {
        for (int i = 0; i < accumulators; i++) {
            a.vxorps(i, i, i);
        }
    }

    /** {@code total += accumulator * scale}, the scale being in INPUT. */
    private void fold(int accumulator, Memory total) {
        a.vmovups(VALUE, total);
        a.vfmadd231ps(VALUE, accumulator, INPUT);
        a.vmovups(total, VALUE);
    }

    private void again(General counter, Label label) {
        a.sub(counter, 1);
        a.jnz(label);
    }

    private byte[] end(Label segment) {
        again(RDX, segment);
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }
}
