package dev.nightshift.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Random;

/** Host tensors of the contract tests: made of arrays, filled at random, and read back into arrays. */
final class HostTensors {
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private HostTensors() {}

    static Tensor zeros(DType dtype, long... axes) {
        Shape shape = Shape.of(axes);
        return new Tensor(Arena.ofAuto().allocate(shape.elements() * dtype.bytes(), 64), dtype, shape);
    }

    static Tensor f32(float[] values, long... axes) {
        Tensor tensor = zeros(DType.F32, axes);
        for (int i = 0; i < values.length; i++) {
            tensor.data().setAtIndex(F32, i, values[i]);
        }
        return tensor;
    }

    static Tensor i32(int[] values, long... axes) {
        Tensor tensor = zeros(DType.I32, axes);
        for (int i = 0; i < values.length; i++) {
            tensor.data().setAtIndex(I32, i, values[i]);
        }
        return tensor;
    }

    static Tensor i64(long[] values, long... axes) {
        Tensor tensor = zeros(DType.I64, axes);
        for (int i = 0; i < values.length; i++) {
            tensor.data().setAtIndex(I64, i, values[i]);
        }
        return tensor;
    }

    static Tensor u8(byte[] values, long... axes) {
        Tensor tensor = zeros(DType.U8, axes);
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_BYTE, 0, values.length);
        return tensor;
    }

    /** Values rounded to a floating type. */
    static Tensor floats(DType dtype, float[] values, long... axes) {
        Tensor tensor = zeros(dtype, axes);
        writeFloats(tensor.data(), 0, dtype, values);
        return tensor;
    }

    static void writeFloats(MemorySegment target, long offset, DType dtype, float[] values) {
        for (int i = 0; i < values.length; i++) {
            switch (dtype) {
                case F32 -> target.set(F32, offset + 4L * i, values[i]);
                case BF16 -> target.set(I16, offset + 2L * i, bf16(values[i]));
                case F16 -> target.set(I16, offset + 2L * i, Float.floatToFloat16(values[i]));
                case I64, I32, U8 -> throw new IllegalStateException("floats as " + dtype);
            }
        }
    }

    /** Round to nearest even. */
    private static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
    }

    /** A value as it is after a way through a type. */
    static float round(DType dtype, float value) {
        return switch (dtype) {
            case F32 -> value;
            case BF16 -> Float.intBitsToFloat(bf16(value) << 16);
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
            case I64, I32, U8 -> throw new IllegalStateException("float as " + dtype);
        };
    }

    static float[] round(DType dtype, float[] values) {
        float[] rounded = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            rounded[i] = round(dtype, values[i]);
        }
        return rounded;
    }

    /** Elements of a floating host tensor. */
    static float[] floats(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.shape().elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = switch (tensor.dtype()) {
                case F32 -> tensor.data().getAtIndex(F32, i);
                case BF16 -> Float.intBitsToFloat(tensor.data().getAtIndex(I16, i) << 16);
                case F16 -> Float.float16ToFloat(tensor.data().getAtIndex(I16, i));
                case I64, I32, U8 -> throw new IllegalStateException("floats of " + tensor.dtype());
            };
        }
        return values;
    }

    static int[] ints(Tensor tensor) {
        int[] values = new int[Math.toIntExact(tensor.shape().elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = tensor.data().getAtIndex(I32, i);
        }
        return values;
    }

    static byte[] bytes(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_BYTE);
    }

    static float[] normal(Random random, int count, double deviation) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextGaussian() * deviation);
        }
        return values;
    }
}
