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
 * Machine code of the loops over a 4-bit tile of 32 rows ({@link FourBitLanes}, {@link CodeOrder#COLUMNS}) for AVX2. A value is put
 * together from its four bytes: each byte of the code book is a table of 16 bytes, which one {@code vpshufb} looks up for 32
 * codes at once, and {@code vpunpck} interleaves the bytes to floats. That is 24 shuffles for 64 codes, where {@code vpermd} on
 * floats takes 16 of two slots each.
 *
 * <p>Two vectors of rows go side by side through four k: an instruction and the one that needs its result then lie apart, which
 * the processor's schedulers reward (15.4 cycles for 64 codes, 18.5 with one vector through eight k, on Zen 3).
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
    /** k whose codes lie in nibbles of the same height. */
    private static final int QUARTET = 4;

    /** Offset in {@link #tables}: planes of bytes, then the mask of a nibble. */
    static final int NIBBLE = PLANES * VECTOR;

    /** Vector registers: 0 to 3 sums, five for each of two look-ups, an input. */
    private static final int[] LOOKS = {4, 9};

    private static final int VALUE = 14;
    private static final int INPUT = 15;

    private final Assembler a = new Assembler();

    private FourBitAssembly() {}

    /** What the code reads beside codes: for the code book {@code values} [16], as float bits. */
    static byte[] tables(int[] values) {
        byte[] tables = new byte[NIBBLE + VECTOR];
        for (int i = 0; i < VECTOR; i++) {
            for (int plane = 0; plane < PLANES; plane++) {
                tables[plane * VECTOR + i] = (byte) (values[i % CODES] >> 8 * plane);
            }
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
        for (int k = 0; k < 8; k += QUARTET) {
            for (int vector = 0; vector < VECTORS; vector += 2) {
                lookUp(vector, k > 0);
                for (int i = 0; i < QUARTET; i++) {
                    a.vbroadcastss(INPUT, new Memory(RDI, (k + i) * Float.BYTES));
                    int first = value(LOOKS[0], i);
                    int second = value(LOOKS[1], i);
                    a.vfmadd231ps(vector, first, INPUT);
                    a.vfmadd231ps(vector + 1, second, INPUT);
                }
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
        for (int k = 0; k < 8; k += QUARTET) {
            for (int vector = 0; vector < VECTORS; vector += 2) {
                lookUp(vector, k > 0);
                for (int i = 0; i < QUARTET; i++) {
                    int to = (k + i) * TILE + vector * VECTOR;
                    a.vmovups(new Memory(RDI, to), value(LOOKS[0], i));
                    a.vmovups(new Memory(RDI, to + VECTOR), value(LOOKS[1], i));
                }
            }
        }
        a.add(RSI, TILE);
        a.add(RDI, 8 * TILE);
        again(R11, octet);
        a.add(RSI, TILE);
        return end(segment);
    }

    /** Codes of four k, of two vectors of rows, to words from which {@link #value} makes floats. */
    private void lookUp(int vector, boolean high) {
        for (int i = 0; i < LOOKS.length; i++) {
            a.vmovups(LOOKS[i] + PLANES, new Memory(RSI, TILE + (vector + i) * VECTOR));
        }
        for (int look : LOOKS) {
            if (high) {
                a.vpsrlw(look + PLANES, look + PLANES, 4);
            }
            a.vpand(look + PLANES, look + PLANES, new Memory(R8, NIBBLE));
        }
        for (int plane = 0; plane < PLANES; plane++) {
            for (int look : LOOKS) {
                a.vmovups(look + plane, new Memory(R8, plane * VECTOR));
                a.vpshufb(look + plane, look + plane, look + PLANES);
            }
        }
        for (int look : LOOKS) {
            a.vpunpcklbw(look + 4, look, look + 1);
        }
        for (int look : LOOKS) {
            a.vpunpckhbw(look, look, look + 1);
        }
        for (int look : LOOKS) {
            a.vpunpcklbw(look + 1, look + 2, look + 3);
        }
        for (int look : LOOKS) {
            a.vpunpckhbw(look + 2, look + 2, look + 3);
        }
    }

    /** Values of k {@code i} of the quartet, which are to be asked for in order; returns their register. */
    private int value(int look, int i) {
        return switch (i) {
            case 0 -> {
                a.vpunpcklwd(look + 3, look + 4, look + 1);
                yield look + 3;
            }
            case 1 -> {
                a.vpunpckhwd(look + 4, look + 4, look + 1);
                yield look + 4;
            }
            case 2 -> {
                a.vpunpcklwd(look + 1, look, look + 2);
                yield look + 1;
            }
            case 3 -> {
                a.vpunpckhwd(look, look, look + 2);
                yield look;
            }
            default -> throw new IllegalStateException("k " + i + " of " + QUARTET);
        };
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
