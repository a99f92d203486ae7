package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightshift.tensor.cpu.x86.Executable;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import java.util.Set;

/**
 * Kernels in machine code, at 256 bits and (named wide) at 512: the bits of their twins in the Vector API, in less time. What a kernel
 * is given it trusts, so callers keep within its arrays as the shapes that were checked say.
 */
final class MachineCode {
    static final int BITS = 256;
    static final int WIDE_BITS = 512;

    /** What keeps this code from running on this machine; empty if nothing does. */
    static final Optional<String> OBSTACLE = Executable.obstacle(Set.of("avx2", "fma"));

    private static final Optional<String> WIDE_OBSTACLE =
            Executable.obstacle(Set.of("avx2", "fma", "avx512f", "avx512bw", "avx512dq"));

    /** An array, tile, segments, length of a segment, one number more, an array. */
    static final MemoryLayout[] TILE = {ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS};

    private MachineCode() {}

    /** Whether this machine runs machine code of this width, and there is some. */
    static boolean runs(int bits) {
        return switch (bits) {
            case BITS -> OBSTACLE.isEmpty();
            case WIDE_BITS -> WIDE_OBSTACLE.isEmpty();
            default -> false;
        };
    }

    /** A function without result. */
    static MethodHandle function(byte[] code, MemoryLayout... arguments) {
        return Executable.function(code, FunctionDescriptor.ofVoid(arguments));
    }

    /** Address of a copy, at the beginning of a cache line, that stays for the life of the process. */
    static long constant(MemorySegment values) {
        MemorySegment memory = Arena.global().allocate(values.byteSize(), Lanes.LINE);
        memory.copyFrom(values);
        return memory.address();
    }

    /** What a call threw, to be thrown on: machine code itself throws nothing. */
    static RuntimeException thrown(Throwable e) {
        return switch (e) {
            case RuntimeException runtime -> runtime;
            case Error error -> throw error;
            default -> new IllegalStateException("machine code", e);
        };
    }

    /** Bytes from one group of packed rows to the next. */
    static long stride(int columns) {
        return (long) columns * FourBitGroupLanes.GROUP * Float.BYTES;
    }
}
