package dev.nightshift.tensor.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightshift.tensor.cpu.x86.Executable;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import java.util.Set;

/**
 * Kernels at 256 bits in machine code: the bits of their twins in the Vector API, in less time. What a kernel is given it trusts,
 * so callers keep within its arrays as the shapes that were checked say.
 */
final class MachineCode {
    static final int BITS = 256;

    /** What keeps this code from running on this machine; empty if nothing does. */
    static final Optional<String> OBSTACLE = Executable.obstacle(Set.of("avx2", "fma"));

    /** An array, tile, segments, length of a segment, one number more, an array. */
    static final MemoryLayout[] TILE = {ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS};

    private MachineCode() {}

    /** A function without result. */
    static MethodHandle function(byte[] code, MemoryLayout... arguments) {
        return Executable.function(code, FunctionDescriptor.ofVoid(arguments));
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
