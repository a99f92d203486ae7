package dev.nightshift.tensor.cpu;

import static dev.nightshift.tensor.cpu.x86.Assembler.General.R10;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R11;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R12;
import static dev.nightshift.tensor.cpu.x86.Assembler.General.R13;
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
import java.util.ArrayList;
import java.util.List;

/**
 * Machine code of {@link FourBitGroupLanes} for a fixed number of groups. The unit of work is a segment of two of the tile's
 * four vectors. While a unit is multiplied, four rows of x by two vectors at a time, the codes of the next one are looked up
 * ({@link FourBitAssembly}) between the multiplications: they need other ports of the processor, so that they cost little.
 * Values lie on the stack in two buffers that change places.
 *
 * <p>Arguments: RDI x, RSI tile, RDX segments, RCX octets of k in a segment, R8 {@link FourBitAssembly#tables}, R9 totals, and on
 * the stack the bytes from one group of x to the next.
 */
final class FourBitGroupAssembly {
    private static final int VECTOR = 32;
    private static final int TILE = 4 * VECTOR;
    private static final int PAIR = 2 * VECTOR;
    private static final int ROWS = FourBitGroupLanes.GROUP;
    private static final int OCTET = 8;
    private static final int LONGEST_SEGMENT = 64;

    /** One buffer: values of a segment, [k][two vectors]. */
    private static final int BUFFER = LONGEST_SEGMENT * PAIR;

    /** On the stack behind both buffers: codes of high nibbles. */
    private static final int HIGH = 2 * BUFFER;

    private static final int FRAME = HIGH + 2 * VECTOR;
    private static final General[] SAVED = {RBP, RBX, R12, R13, R15};

    /** Vector registers: 0 to 7 sums, then two values, one input and five for the look-up. */
    private static final int VALUE = 8;

    private static final int INPUT = 10;
    private static final int LOOK = 11;

    private final Assembler a = new Assembler();
    private final int groups;

    private FourBitGroupAssembly(int groups) {
        this.groups = groups;
    }

    static byte[] groups(int groups) {
        return new FourBitGroupAssembly(groups).emit();
    }

    private byte[] emit() {
        for (General register : SAVED) {
            a.push(register);
        }
        a.mov(RBX, new Memory(RSP, 8 * (SAVED.length + 1)));
        a.mov(RBP, RSP);
        a.sub(RSP, FRAME);
        a.and(RSP, -2 * VECTOR);
        first();
        Label segment = a.here();
        // RSI is this segment, R13 the next one, at the end of the tile this one again
        a.mov(R13, RSI);
        segmentFurther(R13);
        a.sub(RDX, 1);
        a.cmovz(R13, RSI);
        unit(0, RSI, PAIR);
        unit(1, R13, 0);
        a.mov(RDI, RAX);
        for (int group = 1; group < groups; group++) {
            a.sub(RDI, RBX);
        }
        a.mov(RSI, R13);
        a.test(RDX);
        a.jnz(segment);
        a.mov(RSP, RBP);
        for (int i = SAVED.length; i-- > 0; ) {
            a.pop(SAVED[i]);
        }
        a.vzeroupper();
        a.ret();
        return a.bytes();
    }

    /** One segment further: its scales and its octets. */
    private void segmentFurther(General register) {
        a.add(register, TILE);
        a.mov(R11, RCX);
        a.shl(R11, Integer.numberOfTrailingZeros(TILE));
        a.add(register, R11);
    }

    /** Values of the first unit, with nothing to multiply yet. */
    private void first() {
        a.mov(R12, RSI);
        a.mov(R15, RSP);
        a.mov(R11, RCX);
        Label octet = a.here();
        lookUp(0).forEach(Runnable::run);
        lookUp(1).forEach(Runnable::run);
        next(octet);
    }

    /** Multiplies the unit of vectors {@code 2 pair} and the one after, and looks up two vectors of {@code codes}, from a byte on. */
    private void unit(int pair, General codes, int from) {
        for (int group = 0; group < groups; group++) {
            a.mov(RAX, RDI);
            for (int i = 0; i < group; i++) {
                a.add(RAX, RBX);
            }
            a.mov(R10, RSP);
            a.add(R10, pair * BUFFER);
            a.mov(R12, codes);
            a.add(R12, from);
            a.mov(R15, RSP);
            a.add(R15, (1 - pair) * BUFFER);
            for (int sum = 0; sum < 2 * ROWS; sum++) {
                a.vxorps(sum, sum, sum);
            }
            a.mov(R11, RCX);
            Label octet = a.here();
            List<Runnable> others = new ArrayList<>();
            if (groups == 1) {
                others.addAll(lookUp(0));
                others.addAll(lookUp(1));
            } else if (group < 2) {
                others.addAll(lookUp(group));
            }
            merge(products(), others);
            a.add(RAX, OCTET * ROWS * Float.BYTES);
            a.add(R10, OCTET * PAIR);
            next(octet);
            fold(pair, group);
        }
    }

    private void next(Label octet) {
        a.add(R12, TILE);
        a.add(R15, OCTET * PAIR);
        a.sub(R11, 1);
        a.jnz(octet);
    }

    /** Sums += x times values, one octet of k. */
    private List<Runnable> products() {
        List<Runnable> code = new ArrayList<>();
        for (int k = 0; k < OCTET; k++) {
            int value = k * PAIR;
            int input = k * ROWS * Float.BYTES;
            code.add(() -> a.vmovups(VALUE, new Memory(R10, value)));
            code.add(() -> a.vmovups(VALUE + 1, new Memory(R10, value + VECTOR)));
            for (int row = 0; row < ROWS; row++) {
                int r = row;
                code.add(() -> a.vbroadcastss(INPUT, new Memory(RAX, input + r * Float.BYTES)));
                code.add(() -> a.vfmadd231ps(2 * r, VALUE, INPUT));
                code.add(() -> a.vfmadd231ps(2 * r + 1, VALUE + 1, INPUT));
            }
        }
        return code;
    }

    /** Codes at R12 to values at R15, one octet of one vector. */
    private List<Runnable> lookUp(int vector) {
        List<Runnable> code = new ArrayList<>();
        int low = LOOK;
        int high = LOOK + 1;
        code.add(() -> a.vmovups(high, new Memory(R12, TILE + vector * VECTOR)));
        code.add(() -> a.vpand(low, high, new Memory(R8, FourBitAssembly.NIBBLE)));
        code.add(() -> a.vpsrlw(high, high, 4));
        code.add(() -> a.vpand(high, high, new Memory(R8, FourBitAssembly.NIBBLE)));
        code.add(() -> a.vmovups(new Memory(RSP, HIGH), high));
        nibbles(code, vector * VECTOR);
        code.add(() -> a.vmovups(low, new Memory(RSP, HIGH)));
        nibbles(code, vector * VECTOR + 4 * PAIR);
        return code;
    }

    /** Four k of codes in LOOK to values at {@code to} and on. */
    private void nibbles(List<Runnable> code, int to) {
        int index = LOOK;
        int b0 = LOOK + 1;
        int b1 = LOOK + 2;
        int words = LOOK + 3;
        int b3 = LOOK + 4;
        plane(code, b0, 0, index);
        plane(code, b1, 1, index);
        code.add(() -> a.vpunpcklbw(words, b0, b1));
        code.add(() -> a.vpunpckhbw(b0, b0, b1));
        plane(code, b1, 2, index);
        plane(code, b3, 3, index);
        code.add(() -> a.vpunpcklbw(index, b1, b3));
        code.add(() -> a.vpunpckhbw(b1, b1, b3));
        code.add(() -> a.vpunpcklwd(b3, words, index));
        store(code, to, b3);
        code.add(() -> a.vpunpckhwd(words, words, index));
        store(code, to + PAIR, words);
        code.add(() -> a.vpunpcklwd(index, b0, b1));
        store(code, to + 2 * PAIR, index);
        code.add(() -> a.vpunpckhwd(b0, b0, b1));
        store(code, to + 3 * PAIR, b0);
    }

    private void plane(List<Runnable> code, int to, int plane, int index) {
        code.add(() -> a.vmovups(to, new Memory(R8, plane * VECTOR)));
        code.add(() -> a.vpshufb(to, to, index));
    }

    private void store(List<Runnable> code, int to, int from) {
        code.add(() -> a.vmovups(new Memory(R15, to), from));
    }

    /** Both lists in their own order, the second spread over the first. */
    private static void merge(List<Runnable> code, List<Runnable> others) {
        int done = 0;
        for (int i = 0; i < code.size(); i++) {
            code.get(i).run();
            for (; done < (long) others.size() * (i + 1) / code.size(); done++) {
                others.get(done).run();
            }
        }
    }

    /** {@code totals += sums * scale}. */
    private void fold(int pair, int group) {
        for (int vector = 0; vector < 2; vector++) {
            int column = pair * PAIR + vector * VECTOR;
            a.vmovups(INPUT, new Memory(RSI, column));
            for (int row = 0; row < ROWS; row++) {
                Memory total = new Memory(R9, (group * ROWS + row) * TILE + column);
                a.vmovups(VALUE, total);
                a.vfmadd231ps(VALUE, 2 * row + vector, INPUT);
                a.vmovups(total, VALUE);
            }
        }
    }
}
