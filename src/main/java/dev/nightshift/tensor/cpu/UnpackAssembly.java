package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RCX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSI;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.Jump;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code that writes a unit of {@link Tiles.Compressed} as its half of a {@link Tiles.Dense} tile of BF16, at 512 bits.
 *
 * <p>Arguments: RDI the unit, RSI its kinds, RDX where its half of the tile begins, RCX segments, R8 {@link Tiles.Compressed#constants}.
 */
final class UnpackAssembly {
    private static final int BITS = 512;
    private static final int OCTETS = Linear.DENSE_SEGMENT / 8;
    private static final int PAIRS = 4;
    private static final int HALVES = 2;
    /** Bytes of a tile's pairs of k, all rows. */
    private static final int TILE = WideFewRowsAssembly.TILE;

    private static final int PLACES = 0;
    private static final int VALUE = 2;
    private static final CompressedPairs COMPRESSED = new CompressedPairs(PLACES, VALUE, 4);

    private final Assembler a = new Assembler(BITS);

    private UnpackAssembly() {}

    static byte[] code() {
        return new UnpackAssembly().emit();
    }

    private byte[] emit() {
        COMPRESSED.constants(a, R8);
        Label segment = a.here();
        a.movzx(R10, new Memory(RSI, 0));
        a.add(RSI, 1);
        a.test(R10);
        Jump coded = a.jz();
        octets(false);
        Jump done = a.jmp();
        a.land(coded);
        octets(true);
        a.land(done);
        a.sub(RCX, 1);
        a.jnz(segment);
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    private void octets(boolean coded) {
        a.sub(R11, R11);
        a.add(R11, OCTETS);
        Label octet = a.here();
        for (int pair = 0; pair < PAIRS; pair++) {
            for (int half = 0; half < HALVES; half++) {
                if (coded) {
                    COMPRESSED.pair(a, RDI, pair, half);
                } else {
                    a.vmovups(VALUE, new Memory(RDI, pair * Tiles.Compressed.LINES + half * Lanes.LINE));
                }
                a.vmovups(new Memory(RDX, pair * TILE + half * Lanes.LINE), VALUE);
            }
        }
        a.add(RDI, coded ? Tiles.Compressed.OCTET_BYTES : PAIRS * Tiles.Compressed.LINES);
        a.add(RDX, PAIRS * TILE);
        a.sub(R11, 1);
        a.jnz(octet);
    }
}
