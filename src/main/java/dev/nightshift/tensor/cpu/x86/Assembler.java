package dev.nightshift.tensor.cpu.x86;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Encodes the instructions of kernels, named as Intel's manual (Software Developer's Manual, volume 2) names them, destination
 * first. Vector instructions work on 256 bits: AVX2 and FMA3.
 */
public final class Assembler {
    private static final int MAP_0F = 1;
    private static final int MAP_0F38 = 2;
    private static final int MAP_0F3A = 3;
    private static final int NO_PREFIX = 0;
    private static final int PREFIX_66 = 1;

    private final ByteArrayOutputStream code = new ByteArrayOutputStream();
    private final List<Landing> landings = new ArrayList<>();

    /** General registers by their numbers. */
    public enum General {
        RAX,
        RCX,
        RDX,
        RBX,
        RSP,
        RBP,
        RSI,
        RDI,
        R8,
        R9,
        R10,
        R11,
        R12,
        R13,
        R14,
        R15
    }

    /**
     * An address: base, an index or null, times 1, 2, 4 or 8, and a displacement in bytes.
     *
     * @param index any but RSP
     */
    public record Memory(General base, General index, int scale, int displacement) {
        public Memory {
            if (index == General.RSP || Integer.bitCount(scale) != 1 || scale < 1 || scale > 8) {
                throw new IllegalStateException("index %s times %d".formatted(index, scale));
            }
        }

        public Memory(General base, int displacement) {
            this(base, null, 1, displacement);
        }

        private int indexNumber() {
            return index == null ? 0 : index.ordinal();
        }
    }

    /** A place to jump back to. */
    public record Label(int offset) {}

    /** A jump ahead, to the place that {@link #land} will say. */
    public record Jump(int after) {}

    private record Landing(Jump jump, int offset) {}

    /** The code so far. */
    public byte[] bytes() {
        byte[] bytes = code.toByteArray();
        ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (Landing landing : landings) {
            words.putInt(
                    landing.jump().after() - Integer.BYTES,
                    landing.offset() - landing.jump().after());
        }
        return bytes;
    }

    /** Jumps ahead. */
    public Jump jmp() {
        bytes(0xe9);
        word(0);
        return new Jump(code.size());
    }

    /** The next instruction is where the jump goes. */
    public void land(Jump jump) {
        landings.add(new Landing(jump, code.size()));
    }

    /** The place that the next instruction will have. */
    public Label here() {
        return new Label(code.size());
    }

    /** Eight floats from memory, at any alignment. */
    public void vmovups(int to, Memory from) {
        vex(MAP_0F, NO_PREFIX, 0x10, to, 0, from);
    }

    /** Eight floats to memory, at any alignment. */
    public void vmovups(Memory to, int from) {
        vex(MAP_0F, NO_PREFIX, 0x11, from, 0, to);
    }

    /** Brings a line of memory near; any address is allowed. */
    public void prefetcht0(Memory line) {
        if (line.base().ordinal() > 7 || line.indexNumber() > 7) {
            bytes(0x40 | line.indexNumber() >> 3 << 1 | line.base().ordinal() >> 3);
        }
        bytes(0x0f);
        operands(0x18, 1, line);
    }

    /** One float of memory to all eight lanes. */
    public void vbroadcastss(int to, Memory from) {
        vex(MAP_0F38, PREFIX_66, 0x18, to, 0, from);
    }

    /** Exclusive or; of a register with itself it makes zeros. */
    public void vxorps(int to, int a, int b) {
        vex(MAP_0F, NO_PREFIX, 0x57, to, a, b);
    }

    /** Bytes of {@code table} at the places in {@code index}, in each half of the register by itself. */
    public void vpshufb(int to, int table, int index) {
        vex(MAP_0F38, PREFIX_66, 0x00, to, table, index);
    }

    /** And of all bits. */
    public void vpand(int to, int a, Memory b) {
        vex(MAP_0F, PREFIX_66, 0xdb, to, a, b);
    }

    /** And of all bits. */
    public void vpand(int to, int a, int b) {
        vex(MAP_0F, PREFIX_66, 0xdb, to, a, b);
    }

    /** Sixteen words, each shifted right; zeros come in. */
    public void vpsrlw(int to, int from, int bits) {
        vex(MAP_0F, PREFIX_66, 0x71, 2, to, from);
        code.write(bits);
    }

    /** All bits of a lane where eight ints are equal, none where not. */
    public void vpcmpeqd(int to, int a, int b) {
        vex(MAP_0F, PREFIX_66, 0x76, to, a, b);
    }

    /** Eight ints, each shifted left. */
    public void vpslld(int to, int from, int bits) {
        vex(MAP_0F, PREFIX_66, 0x72, 6, to, from);
        code.write(bits);
    }

    /** Bytes of a and b in turn, from the lower half of each half register. */
    public void vpunpcklbw(int to, int a, int b) {
        vex(MAP_0F, PREFIX_66, 0x60, to, a, b);
    }

    /** Bytes of a and b in turn, from the upper half of each half register. */
    public void vpunpckhbw(int to, int a, int b) {
        vex(MAP_0F, PREFIX_66, 0x68, to, a, b);
    }

    /** Words of a and b in turn, from the lower half of each half register. */
    public void vpunpcklwd(int to, int a, int b) {
        vex(MAP_0F, PREFIX_66, 0x61, to, a, b);
    }

    /** Words of a and b in turn, from the upper half of each half register. */
    public void vpunpckhwd(int to, int a, int b) {
        vex(MAP_0F, PREFIX_66, 0x69, to, a, b);
    }

    /** {@code to = a + b}. */
    public void vaddps(int to, int a, Memory b) {
        vex(MAP_0F, NO_PREFIX, 0x58, to, a, b);
    }

    /** {@code to = a + b}. */
    public void vaddps(int to, int a, int b) {
        vex(MAP_0F, NO_PREFIX, 0x58, to, a, b);
    }

    /** {@code to = a - b}. */
    public void vsubps(int to, int a, int b) {
        vex(MAP_0F, NO_PREFIX, 0x5c, to, a, b);
    }

    /** {@code to = a * b}. */
    public void vmulps(int to, int a, Memory b) {
        vex(MAP_0F, NO_PREFIX, 0x59, to, a, b);
    }

    /** The larger of a and b, b where one is no number. */
    public void vmaxps(int to, int a, int b) {
        vex(MAP_0F, NO_PREFIX, 0x5f, to, a, b);
    }

    /** The larger of a and b, b where one is no number. */
    public void vmaxps(int to, int a, Memory b) {
        vex(MAP_0F, NO_PREFIX, 0x5f, to, a, b);
    }

    /** All bits of a lane where a is not less than b, or one is no number; none elsewhere. */
    public void vcmpnltps(int to, int a, int b) {
        vex(MAP_0F, NO_PREFIX, 0xc2, to, a, b);
        code.write(5);
    }

    /** Eight ints, {@code to = a + b}. */
    public void vpaddd(int to, int a, int b) {
        vex(MAP_0F, PREFIX_66, 0xfe, to, a, b);
    }

    /** Halves of a register exchanged. */
    public void vperm2f128(int to, int from) {
        vex(MAP_0F3A, PREFIX_66, 0x06, to, from, from);
        code.write(1);
    }

    /** Floats within each half of a register, by two bits a place. */
    public void vpermilps(int to, int from, int places) {
        vex(MAP_0F3A, PREFIX_66, 0x04, to, 0, from);
        code.write(places);
    }

    /** {@code to = a * to + b}, one rounding. */
    public void vfmadd213ps(int to, int a, int b) {
        vex(MAP_0F38, PREFIX_66, 0xa8, to, a, b);
    }

    /** {@code to = a * to + b}, one rounding. */
    public void vfmadd213ps(int to, int a, Memory b) {
        vex(MAP_0F38, PREFIX_66, 0xa8, to, a, b);
    }

    /** {@code to += a * b}, one rounding. */
    public void vfmadd231ps(int to, int a, int b) {
        vex(MAP_0F38, PREFIX_66, 0xb8, to, a, b);
    }

    /** {@code to += a * b}, one rounding. */
    public void vfmadd231ps(int to, int a, Memory b) {
        vex(MAP_0F38, PREFIX_66, 0xb8, to, a, b);
    }

    /** Ends the use of upper halves, without which code of the older kind that follows would be slow. */
    public void vzeroupper() {
        bytes(0xc5, 0xf8, 0x77);
    }

    /** 64 bits. */
    public void mov(General to, General from) {
        general(0x89, to, from);
    }

    /** 64 bits of memory. */
    public void mov(General to, Memory from) {
        bytes(0x48
                | to.ordinal() >> 3 << 2
                | from.indexNumber() >> 3 << 1
                | from.base().ordinal() >> 3);
        operands(0x8b, to.ordinal(), from);
    }

    /** 64 bits; sets the result that {@link #jnz} and {@link #cmovz} look at. */
    public void add(General to, General value) {
        general(0x01, to, value);
    }

    /** As {@link #add(General, General)}, with 64 bits of memory. */
    public void add(General to, Memory value) {
        bytes(0x48
                | to.ordinal() >> 3 << 2
                | value.indexNumber() >> 3 << 1
                | value.base().ordinal() >> 3);
        operands(0x03, to.ordinal(), value);
    }

    /** As {@link #add(General, General)}, with a constant. */
    public void add(General to, int value) {
        arithmetic(0, to, value);
    }

    /** 64 bits with a constant, its sign carried up. */
    public void and(General to, int value) {
        arithmetic(4, to, value);
    }

    /** As {@link #sub(General, General)}, with a constant. */
    public void sub(General to, int value) {
        arithmetic(5, to, value);
    }

    /** 64 bits; sets the result that {@link #jnz} and {@link #cmovz} look at. */
    public void sub(General to, General value) {
        general(0x29, to, value);
    }

    /** 64 bits to the left. */
    public void shl(General to, int bits) {
        bytes(0x48 | to.ordinal() >> 3, 0xc1, 0xe0 | to.ordinal() % 8, bits);
    }

    /** Whether a register is zero, for {@link #jnz} and {@link #cmovz}. */
    public void test(General register) {
        general(0x85, register, register);
    }

    /** Moves if the last result was zero. */
    public void cmovz(General to, General from) {
        bytes(
                0x48 | to.ordinal() >> 3 << 2 | from.ordinal() >> 3,
                0x0f,
                0x44,
                0xc0 | to.ordinal() % 8 << 3 | from.ordinal() % 8);
    }

    /** To the stack, 8 bytes. */
    public void push(General register) {
        stack(0x50, register);
    }

    /** From the stack, 8 bytes. */
    public void pop(General register) {
        stack(0x58, register);
    }

    /** Jumps if the last result was not zero. */
    public void jnz(Label label) {
        bytes(0x0f, 0x85);
        word(label.offset() - (code.size() + 4));
    }

    /** Back to the caller. */
    public void ret() {
        bytes(0xc3);
    }

    private void general(int opcode, General to, General from) {
        bytes(
                0x48 | from.ordinal() >> 3 << 2 | to.ordinal() >> 3,
                opcode,
                0xc0 | from.ordinal() % 8 << 3 | to.ordinal() % 8);
    }

    private void stack(int opcode, General register) {
        if (register.ordinal() > 7) {
            bytes(0x41);
        }
        bytes(opcode | register.ordinal() % 8);
    }

    private void arithmetic(int operation, General to, int value) {
        int rex = 0x48 | to.ordinal() >> 3;
        int operands = 0xc0 | operation << 3 | to.ordinal() % 8;
        if (value == (byte) value) {
            bytes(rex, 0x83, operands, value);
        } else {
            bytes(rex, 0x81, operands);
            word(value);
        }
    }

    private void vex(int map, int prefix, int opcode, int reg, int second, int rm) {
        vexPrefix(map, prefix, reg, second, 0, check(rm));
        bytes(opcode, 0xc0 | reg % 8 << 3 | rm % 8);
    }

    private void vex(int map, int prefix, int opcode, int reg, int second, Memory rm) {
        vexPrefix(map, prefix, reg, second, rm.indexNumber(), rm.base().ordinal());
        operands(opcode, reg, rm);
    }

    private void operands(int opcode, int reg, Memory rm) {
        int base = rm.base().ordinal() % 8;
        int displacement = rm.displacement();
        boolean near = displacement == (byte) displacement;
        boolean indexed = rm.index() != null || base == General.RSP.ordinal();
        bytes(opcode, (near ? 0x40 : 0x80) | reg % 8 << 3 | (indexed ? 4 : base));
        if (indexed) {
            int index = rm.index() == null ? General.RSP.ordinal() : rm.indexNumber() % 8;
            bytes(Integer.numberOfTrailingZeros(rm.scale()) << 6 | index << 3 | base);
        }
        if (near) {
            bytes(displacement);
        } else {
            word(displacement);
        }
    }

    /** The three-byte prefix: inverted high bits of the registers, map, inverted second operand, 256 bits, prefix. */
    private void vexPrefix(int map, int prefix, int reg, int second, int index, int rm) {
        int high = (check(reg) >> 3 ^ 1) << 7 | (index >> 3 ^ 1) << 6 | (rm >> 3 ^ 1) << 5;
        int rest = (~check(second) & 15) << 3 | 1 << 2 | prefix;
        if (map == MAP_0F && rm < 8 && index < 8) {
            bytes(0xc5, high & 0x80 | rest);
        } else {
            bytes(0xc4, high | map, rest);
        }
    }

    private static int check(int register) {
        if (register < 0 || register > 15) {
            throw new IllegalStateException("vector register %d; there are 0 to 15".formatted(register));
        }
        return register;
    }

    private void word(int value) {
        bytes(value, value >> 8, value >> 16, value >> 24);
    }

    private void bytes(int... values) {
        for (int value : values) {
            code.write(value);
        }
    }
}
