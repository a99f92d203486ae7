package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R8;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R9;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RAX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RCX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDI;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RDX;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.RSI;

import dev.nightshift.tensor.cpu.x86.Assembler;
import dev.nightshift.tensor.cpu.x86.Assembler.Label;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;

/**
 * Machine code of {@link DenseGroupLanes} for a fixed number of groups: four rows of x by two vectors of the tile at a time.
 *
 * <p>Arguments: RDI x, RSI tile, RDX segments, RCX steps of four pairs of k in a segment, R8 bytes from one group of x to the
 * next, R9 totals.
 */
final class DenseGroupAssembly {
    private static final int VECTOR = 32;
    private static final int TILE = 4 * VECTOR;
    private static final int ROWS = FourBitGroupLanes.GROUP;
    private static final int INPUTS = ROWS * Float.BYTES;
    /** Pairs of k a step. */
    private static final int PAIRS = 4;

    static final int STEP = 2 * PAIRS;

    /** Bytes of the usual segment. */
    private static final int SEGMENT = Linear.DENSE_SEGMENT / 2 * TILE;

    /** Vector registers: 0 to 7 sums, then values, an input, pairs as they are and the mask of the upper one. */
    private static final int VALUE = 8;

    private static final int INPUT = 10;
    private static final int PAIR = 11;
    private static final int UPPER = 13;

    private final Assembler a = new Assembler();
    private final int groups;

    private DenseGroupAssembly(int groups) {
        this.groups = groups;
    }

    static byte[] groups(int groups) {
        return new DenseGroupAssembly(groups).emit();
    }

    private byte[] emit() {
        a.vpcmpeqd(UPPER, UPPER, UPPER);
        a.vpslld(UPPER, UPPER, Short.SIZE);
        Label segment = a.here();
        for (int half = 0; half < 2; half++) {
            a.mov(RAX, RDI);
            for (int group = 0; group < groups; group++) {
                multiply(half, group);
            }
        }
        a.mov(RSI, R10);
        a.mov(R11, RCX);
        a.shl(R11, Integer.numberOfTrailingZeros(STEP * INPUTS));
        a.add(RDI, R11);
        a.sub(RDX, 1);
        a.jnz(segment);
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    /** Half of a tile's vectors by one group, over a segment; RAX goes to the next group. */
    private void multiply(int half, int group) {
        for (int sum = 0; sum < 2 * ROWS; sum++) {
            a.vxorps(sum, sum, sum);
        }
        a.mov(R10, RSI);
        a.mov(R11, RCX);
        Label step = a.here();
        for (int pair = 0; pair < PAIRS; pair++) {
            if (group == 0) {
                // a half of the tile's vectors is every other line, which the processor does not foresee well
                a.prefetcht0(new Memory(R10, pair * TILE + 2 * half * VECTOR + SEGMENT));
            }
            for (int vector = 0; vector < 2; vector++) {
                a.vmovups(PAIR + vector, new Memory(R10, pair * TILE + (2 * half + vector) * VECTOR));
                a.vpslld(VALUE + vector, PAIR + vector, Short.SIZE);
            }
            products(2 * pair, VALUE);
            for (int vector = 0; vector < 2; vector++) {
                a.vpand(PAIR + vector, PAIR + vector, UPPER);
            }
            products(2 * pair + 1, PAIR);
        }
        a.add(R10, PAIRS * TILE);
        a.add(RAX, STEP * INPUTS);
        a.sub(R11, 1);
        a.jnz(step);
        a.mov(R11, RCX);
        a.shl(R11, Integer.numberOfTrailingZeros(STEP * INPUTS));
        a.sub(RAX, R11);
        a.add(RAX, R8);
        for (int row = 0; row < ROWS; row++) {
            for (int vector = 0; vector < 2; vector++) {
                Memory total = new Memory(R9, (group * ROWS + row) * TILE + (2 * half + vector) * VECTOR);
                a.vaddps(2 * row + vector, 2 * row + vector, total);
                a.vmovups(total, 2 * row + vector);
            }
        }
    }

    private void products(int k, int value) {
        for (int row = 0; row < ROWS; row++) {
            a.vbroadcastss(INPUT, new Memory(RAX, k * INPUTS + row * Float.BYTES));
            a.vfmadd231ps(2 * row, value, INPUT);
            a.vfmadd231ps(2 * row + 1, value + 1, INPUT);
        }
    }
}
