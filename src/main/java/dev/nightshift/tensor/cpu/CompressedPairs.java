package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.General;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Instructions that make pairs of BF16 from an octet of {@link Tiles.Compressed}, 16 rows at a time: a look-up of words gives the
 * exponents, and sign and mantissa come to them from memory.
 *
 * @param places the first of two vector registers that keep the places of an octet's exponents, one for either half of a unit
 * @param value the vector register that a pair comes to
 * @param constant the first of two vector registers: exponents, and the mask of signs and mantissas
 */
record CompressedPairs(int places, int value, int constant) {
    /** Where the mask of upper halves lies in {@link Tiles.Compressed#constants}. */
    static final int UPPER = 2 * Lanes.LINE;

    private static final int PAIRS = 4;
    /** {@code to | (a & b)}, as a table of three bits. */
    private static final int OR_AND = 0xf8;

    void constants(Assembler a, General at) {
        a.vmovups(constant, new Memory(at, 0));
        a.vmovups(constant + 1, new Memory(at, Lanes.LINE));
    }

    /**
     * Pairs of one octet are made in their order.
     *
     * @param half of the unit
     */
    void pair(Assembler a, General octet, int pair, int half) {
        int at = half * Lanes.LINE;
        if (pair == 0) {
            a.vmovups(places + half, new Memory(octet, 2 * Tiles.Compressed.LINES + at));
        }
        a.vpermw(value, places + half, constant);
        if (pair < PAIRS - 1) {
            a.vpsrld(places + half, places + half, 4);
        }
        Memory four = new Memory(octet, pair / 2 * Tiles.Compressed.LINES + at);
        if (pair % 2 == 0) {
            a.vpternlogd(value, constant + 1, four, OR_AND);
        } else {
            a.vprold(value + 1, four, Tiles.Compressed.TURN);
            a.vpternlogd(value, constant + 1, value + 1, OR_AND);
        }
    }
}
