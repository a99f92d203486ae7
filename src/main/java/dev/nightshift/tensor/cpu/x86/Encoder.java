package dev.nightshift.tensor.cpu.x86;

import dev.nightshift.tensor.cpu.x86.Assembler.General;
import dev.nightshift.tensor.cpu.x86.Assembler.Memory;
import java.io.ByteArrayOutputStream;

/** Bytes of instructions: prefixes (VEX for vectors of 256 bits, EVEX for 512), opcode and operands. */
final class Encoder {
    static final int MAP_0F = 1;
    static final int MAP_0F38 = 2;
    static final int MAP_0F3A = 3;
    static final int NO_PREFIX = 0;
    static final int PREFIX_66 = 1;
    /** {@link #PREFIX_66} with the bit that makes words of bytes, or quadwords of ints; at 512 bits. */
    static final int PREFIX_66_W1 = 0x80 | PREFIX_66;

    private static final int WIDE = 512;
    private static final int NARROW = 256;

    private final int bits;
    private final ByteArrayOutputStream code = new ByteArrayOutputStream();

    Encoder(int bits) {
        if (bits != NARROW && bits != WIDE) {
            throw new IllegalStateException("vectors of %d bits; there are 256 and 512".formatted(bits));
        }
        this.bits = bits;
    }

    int size() {
        return code.size();
    }

    byte[] toBytes() {
        return code.toByteArray();
    }

    /** Refuses what only 512 bits have. */
    void wide(String name) {
        if (bits != WIDE) {
            throw new IllegalStateException("%s at %d bits".formatted(name, bits));
        }
    }

    void general(int opcode, General to, General from) {
        bytes(
                0x48 | from.ordinal() >> 3 << 2 | to.ordinal() >> 3,
                opcode,
                0xc0 | from.ordinal() % 8 << 3 | to.ordinal() % 8);
    }

    void stack(int opcode, General register) {
        if (register.ordinal() > 7) {
            bytes(0x41);
        }
        bytes(opcode | register.ordinal() % 8);
    }

    void arithmetic(int operation, General to, int value) {
        int rex = 0x48 | to.ordinal() >> 3;
        int operands = 0xc0 | operation << 3 | to.ordinal() % 8;
        if (value == (byte) value) {
            bytes(rex, 0x83, operands, value);
        } else {
            bytes(rex, 0x81, operands);
            word(value);
        }
    }

    /** Refuses what only 256 bits have. */
    void narrow(String name) {
        if (bits != NARROW) {
            throw new IllegalStateException("%s at %d bits".formatted(name, bits));
        }
    }

    void vex(int map, int prefix, int opcode, int reg, int second, int rm) {
        if (bits == WIDE) {
            evexPrefix(map, prefix, reg, second, check(rm) >> 4, rm >> 3 & 1, false);
        } else {
            vexPrefix(map, prefix, reg, second, 0, check(rm));
        }
        bytes(opcode, 0xc0 | reg % 8 << 3 | rm % 8);
    }

    void vex(int map, int prefix, int opcode, int reg, int second, Memory rm) {
        memory(map, prefix, opcode, reg, second, rm, bits / Byte.SIZE, false);
    }

    /** An instruction that reads one float of memory. */
    void one(int map, int prefix, int opcode, int reg, int second, Memory rm, boolean broadcast) {
        memory(map, prefix, opcode, reg, second, rm, Float.BYTES, broadcast);
    }

    /** @param unit bytes that the instruction reads or writes */
    void memory(int map, int prefix, int opcode, int reg, int second, Memory rm, int unit, boolean broadcast) {
        if (bits == WIDE) {
            evexPrefix(
                    map, prefix, reg, second, rm.indexNumber() >> 3, rm.base().ordinal() >> 3, broadcast);
            operands(opcode, reg, rm, unit);
        } else {
            vexPrefix(map, prefix, reg, second, rm.indexNumber(), rm.base().ordinal());
            operands(opcode, reg, rm);
        }
    }

    void operands(int opcode, int reg, Memory rm) {
        operands(opcode, reg, rm, 1);
    }

    /** @param unit what a displacement of one byte counts */
    void operands(int opcode, int reg, Memory rm, int unit) {
        int base = rm.base().ordinal() % 8;
        int displacement = rm.displacement();
        int units = displacement / unit;
        boolean near = displacement % unit == 0 && units == (byte) units;
        boolean indexed = rm.index() != null || base == General.RSP.ordinal();
        bytes(opcode, (near ? 0x40 : 0x80) | reg % 8 << 3 | (indexed ? 4 : base));
        if (indexed) {
            int index = rm.index() == null ? General.RSP.ordinal() : rm.indexNumber() % 8;
            bytes(Integer.numberOfTrailingZeros(rm.scale()) << 6 | index << 3 | base);
        }
        if (near) {
            bytes(units);
        } else {
            word(displacement);
        }
    }

    /** The three-byte prefix: inverted high bits of the registers, map, inverted second operand, 256 bits, prefix. */
    void vexPrefix(int map, int prefix, int reg, int second, int index, int rm) {
        int high = (check(reg) >> 3 ^ 1) << 7 | (index >> 3 ^ 1) << 6 | (rm >> 3 ^ 1) << 5;
        int rest = (~check(second) & 15) << 3 | 1 << 2 | prefix;
        if (map == MAP_0F && rm < 8 && index < 8) {
            bytes(0xc5, high & 0x80 | rest);
        } else {
            bytes(0xc4, high | map, rest);
        }
    }

    /**
     * The four-byte prefix, without a mask: inverted high bits of the registers, map, inverted second operand, prefix, 512 bits,
     * broadcast.
     *
     * @param x bit 3 of the index, bit 4 of a vector register in its place
     * @param b bit 3 of the base or register
     */
    void evexPrefix(int map, int prefix, int reg, int second, int x, int b, boolean broadcast) {
        int high = (check(reg) >> 3 & 1 ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (reg >> 4 ^ 1) << 4;
        int rest = (~check(second) & 15) << 3 | 1 << 2 | prefix;
        int last = 2 << 5 | (broadcast ? 1 << 4 : 0) | (second >> 4 ^ 1) << 3;
        bytes(0x62, high | map, rest, last);
    }

    private int check(int register) {
        int registers = bits == WIDE ? 32 : 16;
        if (register < 0 || register >= registers) {
            throw new IllegalStateException("vector register %d; there are 0 to %d".formatted(register, registers - 1));
        }
        return register;
    }

    void word(int value) {
        bytes(value, value >> 8, value >> 16, value >> 24);
    }

    void bytes(int... values) {
        for (int value : values) {
            code.write(value);
        }
    }
}
