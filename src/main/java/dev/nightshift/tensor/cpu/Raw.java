package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Native memory by address. Kernels take addresses: a segment over everything has no scope to check, and its bounds are
 * constants to the compiler. Shapes are checked where an operation starts.
 */
final class Raw {
    static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LE);
    static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LE);
    static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LE);
    static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LE);

    private Raw() {}

    static float f32(long address) {
        return ALL.get(F32, address);
    }

    static void f32(long address, float value) {
        ALL.set(F32, address, value);
    }

    static byte i8(long address) {
        return ALL.get(ValueLayout.JAVA_BYTE, address);
    }

    static void i8(long address, byte value) {
        ALL.set(ValueLayout.JAVA_BYTE, address, value);
    }

    static int i32(long address) {
        return ALL.get(I32, address);
    }

    static void i32(long address, int value) {
        ALL.set(I32, address, value);
    }

    static long i64(long address) {
        return ALL.get(I64, address);
    }

    static short i16(long address) {
        return ALL.get(I16, address);
    }

    static void fill(long address, long bytes) {
        ALL.asSlice(address, bytes).fill((byte) 0);
    }

    static void copy(long from, long to, long bytes) {
        MemorySegment.copy(ALL, from, ALL, to, bytes);
    }

    /** Element {@code index} of 16- or 32-bit floats as F32, exactly. */
    static float element(DType dtype, long address, long index) {
        return switch (dtype) {
            case F32 -> f32(address + 4 * index);
            case BF16 -> Float.intBitsToFloat(i16(address + 2 * index) << 16);
            case F16 -> Float.float16ToFloat(i16(address + 2 * index));
            case I64, I32, U8 -> throw new IllegalStateException("no float type: " + dtype);
        };
    }

    /** Address of a tensor's first element. */
    static long address(Tensor tensor) {
        if (!tensor.data().isNative()) {
            throw new IllegalStateException("tensor %s %s lies on the heap; operations work on allocated tensors"
                    .formatted(tensor.dtype(), tensor.shape()));
        }
        return tensor.data().address();
    }
}
