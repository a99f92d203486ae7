package dev.nightshift.tensor.cpu.x86;

import static dev.nightshift.tensor.cpu.x86.Encoder.MAP_0F;
import static dev.nightshift.tensor.cpu.x86.Encoder.MAP_0F38;
import static dev.nightshift.tensor.cpu.x86.Encoder.MAP_0F3A;
import static dev.nightshift.tensor.cpu.x86.Encoder.NO_PREFIX;
import static dev.nightshift.tensor.cpu.x86.Encoder.PREFIX_66;
import static dev.nightshift.tensor.cpu.x86.Encoder.PREFIX_66_W1;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Encodes the instructions of kernels, named as Intel's manual (Software Developer's Manual, volume 2) names them, destination
 * first. Vector instructions work on 256 bits (AVX2 and FMA3, 16 registers) or on 512 (AVX-512F, BW and DQ, 32 registers), whole
 * registers always.
 */
public final class Assembler {
    private final Encoder code;
    private final List<Landing> landings = new ArrayList<>();

    /** For vectors of 256 bits. */
    public Assembler() {
        this(256);
    }

    /** @param bits of a vector: 256 or 512 */
    public Assembler(int bits) {
        code = new Encoder(bits);
    }

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

        int indexNumber() {
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
        byte[] bytes = code.toBytes();
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
        code.bytes(0xe9);
        code.word(0);
        return new Jump(code.size());
    }

    /** Jumps ahead if the last result was zero. */
    public Jump jz() {
        code.bytes(0x0f, 0x84);
        code.word(0);
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

    /** A register from memory, at any alignment. */
    public void vmovups(int to, Memory from) {
        code.vex(MAP_0F, NO_PREFIX, 0x10, to, 0, from);
    }

    /** A register to memory, at any alignment. */
    public void vmovups(Memory to, int from) {
        code.vex(MAP_0F, NO_PREFIX, 0x11, from, 0, to);
    }

    /** Eight floats from memory, at any alignment and either width. */
    public void vmovupsEight(int to, Memory from) {
        code.vexPrefix(MAP_0F, NO_PREFIX, to, 0, from.indexNumber(), from.base().ordinal());
        code.operands(0x10, to, from);
    }

    /** Eight floats to memory, at any alignment and either width. */
    public void vmovupsEight(Memory to, int from) {
        code.vexPrefix(MAP_0F, NO_PREFIX, from, 0, to.indexNumber(), to.base().ordinal());
        code.operands(0x11, from, to);
    }

    /** Brings a line of memory near, to be written; any address is allowed. */
    public void prefetchw(Memory line) {
        prefetch(0x0d, 1, line);
    }

    /** Brings a line of memory near; any address is allowed. */
    public void prefetcht0(Memory line) {
        prefetch(0x18, 1, line);
    }

    /** Brings a line of memory into the second level of caches; any address is allowed. */
    public void prefetcht1(Memory line) {
        prefetch(0x18, 2, line);
    }

    private void prefetch(int opcode, int kind, Memory line) {
        if (line.base().ordinal() > 7 || line.indexNumber() > 7) {
            code.bytes(0x40 | line.indexNumber() >> 3 << 1 | line.base().ordinal() >> 3);
        }
        code.bytes(0x0f);
        code.operands(opcode, kind, line);
    }

    /** One float of memory to all lanes. */
    public void vbroadcastss(int to, Memory from) {
        code.one(MAP_0F38, PREFIX_66, 0x18, to, 0, from, false);
    }

    /** Exclusive or; of a register with itself it makes zeros. */
    public void vxorps(int to, int a, int b) {
        code.vex(MAP_0F, NO_PREFIX, 0x57, to, a, b);
    }

    /** Bytes of {@code table} at the places in {@code index}, in each half of the register by itself. */
    public void vpshufb(int to, int table, int index) {
        code.vex(MAP_0F38, PREFIX_66, 0x00, to, table, index);
    }

    /** And of all bits. */
    public void vpand(int to, int a, Memory b) {
        code.vex(MAP_0F, PREFIX_66, 0xdb, to, a, b);
    }

    /** And of all bits. */
    public void vpand(int to, int a, int b) {
        code.vex(MAP_0F, PREFIX_66, 0xdb, to, a, b);
    }

    /** Words, each shifted right; zeros come in. */
    public void vpsrlw(int to, int from, int bits) {
        code.vex(MAP_0F, PREFIX_66, 0x71, 2, to, from);
        code.bytes(bits);
    }

    /** Ints, each shifted right; zeros come in. */
    public void vpsrld(int to, int from, int bits) {
        code.vex(MAP_0F, PREFIX_66, 0x72, 2, to, from);
        code.bytes(bits);
    }

    /** Ints of {@code table} at the places that the low bits of the ints in {@code index} say. */
    public void vpermd(int to, int index, int table) {
        code.vex(MAP_0F38, PREFIX_66, 0x36, to, index, table);
    }

    /** Words of {@code table} at the places that the low five bits of the words in {@code index} say; at 512 bits. */
    public void vpermw(int to, int index, int table) {
        code.wide("vpermw");
        code.vex(MAP_0F38, PREFIX_66_W1, 0x8d, to, index, table);
    }

    /** Any function of three bits, for every bit: that of {@code to}, a and b is bit {@code 4 to + 2 a + b} of the table; at 512 bits. */
    public void vpternlogd(int to, int a, Memory b, int table) {
        code.wide("vpternlogd");
        code.vex(MAP_0F3A, PREFIX_66, 0x25, to, a, b);
        code.bytes(table);
    }

    /** As {@link #vpternlogd(int, int, Memory, int)}. */
    public void vpternlogd(int to, int a, int b, int table) {
        code.wide("vpternlogd");
        code.vex(MAP_0F3A, PREFIX_66, 0x25, to, a, b);
        code.bytes(table);
    }

    /** Ints of memory, each turned left; at 512 bits. */
    public void vprold(int to, Memory from, int bits) {
        code.wide("vprold");
        code.vex(MAP_0F, PREFIX_66, 0x72, 1, to, from);
        code.bytes(bits);
    }

    /** All bits of a lane where ints are equal, none where not; at 256 bits. */
    public void vpcmpeqd(int to, int a, int b) {
        code.narrow("vpcmpeqd");
        code.vex(MAP_0F, PREFIX_66, 0x76, to, a, b);
    }

    /** Ints, each shifted left. */
    public void vpslld(int to, int from, int bits) {
        code.vex(MAP_0F, PREFIX_66, 0x72, 6, to, from);
        code.bytes(bits);
    }

    /** Bytes of a and b in turn, from the lower half of each half register. */
    public void vpunpcklbw(int to, int a, int b) {
        code.vex(MAP_0F, PREFIX_66, 0x60, to, a, b);
    }

    /** Bytes of a and b in turn, from the upper half of each half register. */
    public void vpunpckhbw(int to, int a, int b) {
        code.vex(MAP_0F, PREFIX_66, 0x68, to, a, b);
    }

    /** Words of a and b in turn, from the lower half of each half register. */
    public void vpunpcklwd(int to, int a, int b) {
        code.vex(MAP_0F, PREFIX_66, 0x61, to, a, b);
    }

    /** Words of a and b in turn, from the upper half of each half register. */
    public void vpunpckhwd(int to, int a, int b) {
        code.vex(MAP_0F, PREFIX_66, 0x69, to, a, b);
    }

    /** {@code to = a + b}. */
    public void vaddps(int to, int a, Memory b) {
        code.vex(MAP_0F, NO_PREFIX, 0x58, to, a, b);
    }

    /** {@code to = a + b}. */
    public void vaddps(int to, int a, int b) {
        code.vex(MAP_0F, NO_PREFIX, 0x58, to, a, b);
    }

    /** {@code to = a - b}. */
    public void vsubps(int to, int a, int b) {
        code.vex(MAP_0F, NO_PREFIX, 0x5c, to, a, b);
    }

    /** {@code to = a * b}. */
    public void vmulps(int to, int a, Memory b) {
        code.vex(MAP_0F, NO_PREFIX, 0x59, to, a, b);
    }

    /** The larger of a and b, b where one is no number. */
    public void vmaxps(int to, int a, int b) {
        code.vex(MAP_0F, NO_PREFIX, 0x5f, to, a, b);
    }

    /** The larger of a and b, b where one is no number. */
    public void vmaxps(int to, int a, Memory b) {
        code.vex(MAP_0F, NO_PREFIX, 0x5f, to, a, b);
    }

    /** All bits of a lane where a is not less than b, or one is no number, none elsewhere; at 256 bits. */
    public void vcmpnltps(int to, int a, int b) {
        code.narrow("vcmpnltps");
        code.vex(MAP_0F, NO_PREFIX, 0xc2, to, a, b);
        code.bytes(5);
    }

    /** Ints, {@code to = a + b}. */
    public void vpaddd(int to, int a, int b) {
        code.vex(MAP_0F, PREFIX_66, 0xfe, to, a, b);
    }

    /** Halves of a register exchanged; at 256 bits. */
    public void vperm2f128(int to, int from) {
        code.narrow("vperm2f128");
        code.vex(MAP_0F3A, PREFIX_66, 0x06, to, from, from);
        code.bytes(1);
    }

    /** Floats within each half of a register, by two bits a place. */
    public void vpermilps(int to, int from, int places) {
        code.vex(MAP_0F3A, PREFIX_66, 0x04, to, 0, from);
        code.bytes(places);
    }

    /** {@code to = a * to + b}, one rounding. */
    public void vfmadd213ps(int to, int a, int b) {
        code.vex(MAP_0F38, PREFIX_66, 0xa8, to, a, b);
    }

    /** {@code to = a * to + b}, one rounding. */
    public void vfmadd213ps(int to, int a, Memory b) {
        code.vex(MAP_0F38, PREFIX_66, 0xa8, to, a, b);
    }

    /** {@code to += a * b}, one rounding. */
    public void vfmadd231ps(int to, int a, int b) {
        code.vex(MAP_0F38, PREFIX_66, 0xb8, to, a, b);
    }

    /** {@code to += a * b}, one rounding. */
    public void vfmadd231ps(int to, int a, Memory b) {
        code.vex(MAP_0F38, PREFIX_66, 0xb8, to, a, b);
    }

    /** {@code to += a * b}, one rounding, b being one float of memory for all lanes; at 512 bits. */
    public void vfmadd231psOne(int to, int a, Memory b) {
        code.wide("vfmadd231ps by one float of memory");
        code.one(MAP_0F38, PREFIX_66, 0xb8, to, a, b, true);
    }

    /** Ends the use of upper halves, without which code of the older kind that follows would be slow. */
    public void vzeroupper() {
        code.bytes(0xc5, 0xf8, 0x77);
    }

    /** 64 bits. */
    public void mov(General to, General from) {
        code.general(0x89, to, from);
    }

    /** 64 bits of memory. */
    public void mov(General to, Memory from) {
        mov(0x8b, to, from);
    }

    /** 64 bits to memory. */
    public void mov(Memory to, General from) {
        mov(0x89, from, to);
    }

    private void mov(int opcode, General register, Memory memory) {
        code.bytes(0x48
                | register.ordinal() >> 3 << 2
                | memory.indexNumber() >> 3 << 1
                | memory.base().ordinal() >> 3);
        code.operands(opcode, register.ordinal(), memory);
    }

    /** A byte of memory, the rest of the register zero. */
    public void movzx(General to, Memory from) {
        code.bytes(0x48
                | to.ordinal() >> 3 << 2
                | from.indexNumber() >> 3 << 1
                | from.base().ordinal() >> 3);
        code.bytes(0x0f);
        code.operands(0xb6, to.ordinal(), from);
    }

    /** 64 bits; sets the result that {@link #jnz} and {@link #cmovz} look at. */
    public void add(General to, General value) {
        code.general(0x01, to, value);
    }

    /** As {@link #add(General, General)}, with 64 bits of memory. */
    public void add(General to, Memory value) {
        code.bytes(0x48
                | to.ordinal() >> 3 << 2
                | value.indexNumber() >> 3 << 1
                | value.base().ordinal() >> 3);
        code.operands(0x03, to.ordinal(), value);
    }

    /** As {@link #add(General, General)}, with a constant. */
    public void add(General to, int value) {
        code.arithmetic(0, to, value);
    }

    /** 64 bits with a constant, its sign carried up. */
    public void and(General to, int value) {
        code.arithmetic(4, to, value);
    }

    /** As {@link #sub(General, General)}, with a constant. */
    public void sub(General to, int value) {
        code.arithmetic(5, to, value);
    }

    /** 64 bits; sets the result that {@link #jnz} and {@link #cmovz} look at. */
    public void sub(General to, General value) {
        code.general(0x29, to, value);
    }

    /** 64 bits to the left. */
    public void shl(General to, int bits) {
        code.bytes(0x48 | to.ordinal() >> 3, 0xc1, 0xe0 | to.ordinal() % 8, bits);
    }

    /** Whether a register is zero, for {@link #jnz} and {@link #cmovz}. */
    public void test(General register) {
        code.general(0x85, register, register);
    }

    /** Moves if the last result was zero. */
    public void cmovz(General to, General from) {
        code.bytes(
                0x48 | to.ordinal() >> 3 << 2 | from.ordinal() >> 3,
                0x0f,
                0x44,
                0xc0 | to.ordinal() % 8 << 3 | from.ordinal() % 8);
    }

    /** To the stack, 8 bytes. */
    public void push(General register) {
        code.stack(0x50, register);
    }

    /** From the stack, 8 bytes. */
    public void pop(General register) {
        code.stack(0x58, register);
    }

    /** Jumps if the last result was not zero. */
    public void jnz(Label label) {
        code.bytes(0x0f, 0x85);
        code.word(label.offset() - (code.size() + 4));
    }

    /** Back to the caller. */
    public void ret() {
        code.bytes(0xc3);
    }
}
