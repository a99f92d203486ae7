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
 * Machine code of the loops over a 4-bit tile of 64 rows ({@link FourBitLanes}, {@link CodeOrder#ROWS}) for AVX-512: the whole code
 * book is one register, in which {@code vpermd} looks sixteen codes up by the low four bits of their ints.
 *
 * <p>Arguments: RDI x or panel, RSI tile, RDX segments, RCX octets of k in a segment, R8 the code book's floats, R9 totals or scales.
 */
final class WideFourBitAssembly {
    private static final int BITS = 512;
    private static final int VECTOR = 64;
    private static final int VECTORS = 4;
    private static final int TILE = VECTORS * VECTOR;
    private static final int OCTET = 8;
    private static final int AHEAD = 16 * TILE;
    /** Bits of a code. */
    private static final int CODE = 4;

    /** Vector registers: 0 to 3 sums, codes, values for two k, an input, the code book. */
    private static final int CODES = 4;

    private static final int VALUES = 8;
    private static final int INPUT = 16;
    private static final int BOOK = 17;

    private final Assembler a = new Assembler(BITS);

    private WideFourBitAssembly() {}

    /** {@link FourBitLanes#row}. */
    static byte[] row() {
        return new WideFourBitAssembly().emitRow();
    }

    /** {@link FourBitLanes#panel}. */
    static byte[] panel() {
        return new WideFourBitAssembly().emitPanel();
    }

    private byte[] emitRow() {
        a.vmovups(BOOK, new Memory(R8, 0));
        Label segment = a.here();
        a.mov(R10, RSI);
        a.mov(R11, RCX);
        for (int vector = 0; vector < VECTORS; vector++) {
            a.vxorps(vector, vector, vector);
        }
        Label octet = a.here();
        for (int vector = 0; vector < VECTORS; vector++) {
            a.prefetcht0(new Memory(RSI, AHEAD + vector * VECTOR));
        }
        loadCodes();
        for (int k = 0; k < OCTET; k++) {
            a.vbroadcastss(INPUT, new Memory(RDI, k * Float.BYTES));
            for (int vector = 0; vector < VECTORS; vector++) {
                a.vfmadd231ps(vector, lookUp(vector, k), INPUT);
            }
        }
        a.add(RSI, TILE);
        a.add(RDI, OCTET * Float.BYTES);
        again(R11, octet);
        a.add(RSI, TILE);
        for (int vector = 0; vector < VECTORS; vector++) {
            Memory total = new Memory(R9, vector * VECTOR);
            a.vmovups(INPUT, new Memory(R10, vector * VECTOR));
            a.vfmadd213ps(vector, INPUT, total);
            a.vmovups(total, vector);
        }
        return end(segment);
    }

    private byte[] emitPanel() {
        a.vmovups(BOOK, new Memory(R8, 0));
        Label segment = a.here();
        for (int vector = 0; vector < VECTORS; vector++) {
            a.vmovups(INPUT, new Memory(RSI, vector * VECTOR));
            a.vmovups(new Memory(R9, vector * VECTOR), INPUT);
        }
        a.add(R9, TILE);
        a.mov(R11, RCX);
        Label octet = a.here();
        loadCodes();
        for (int k = 0; k < OCTET; k++) {
            for (int vector = 0; vector < VECTORS; vector++) {
                a.vmovups(new Memory(RDI, k * TILE + vector * VECTOR), lookUp(vector, k));
            }
        }
        a.add(RSI, TILE);
        a.add(RDI, OCTET * TILE);
        again(R11, octet);
        a.add(RSI, TILE);
        return end(segment);
    }

    /** The octet's codes lie behind the segment's scales. */
    private void loadCodes() {
        for (int vector = 0; vector < VECTORS; vector++) {
            a.vmovups(CODES + vector, new Memory(RSI, TILE + vector * VECTOR));
        }
    }

    /** The register of a vector's values of k, which are to be asked for in order. */
    private int lookUp(int vector, int k) {
        int value = VALUES + k % 2 * VECTORS + vector;
        a.vpermd(value, CODES + vector, BOOK);
        if (k < OCTET - 1) {
            a.vpsrld(CODES + vector, CODES + vector, CODE);
        }
        return value;
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
