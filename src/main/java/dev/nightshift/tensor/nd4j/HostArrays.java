package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** Little-endian host tensors to arrays of Java and of ND4J, and back. */
final class HostArrays {
    static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private HostArrays() {}

    /** {@code count} elements of a floating type from a byte offset on, widened to fp32. */
    static float[] floats(MemorySegment source, long offset, DType dtype, int count) {
        float[] values = new float[count];
        switch (dtype) {
            case F32 -> MemorySegment.copy(source, F32, offset, values, 0, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    values[i] = Float.intBitsToFloat(source.get(I16, offset + 2L * i) << 16);
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    values[i] = Float.float16ToFloat(source.get(I16, offset + 2L * i));
                }
            }
            case I64, I32, U8 -> throw new UnsupportedOperationException("a matrix of " + dtype + " in backend nd4j");
        }
        return values;
    }

    static float[] floats(Tensor tensor) {
        return floats(
                tensor.data(), 0, tensor.dtype(), Math.toIntExact(tensor.shape().elements()));
    }

    static int[] ints(Tensor tensor) {
        return tensor.data().toArray(I32);
    }

    static long[] longs(Tensor tensor) {
        return tensor.data().toArray(I64);
    }

    static void store(Tensor target, long elementOffset, float[] values) {
        MemorySegment.copy(values, 0, target.data(), F32, elementOffset * Float.BYTES, values.length);
    }

    /** An array of a copy of the tensor's values. */
    static INDArray array(Tensor tensor) {
        long[] axes = new long[tensor.shape().rank()];
        for (int i = 0; i < axes.length; i++) {
            axes[i] = tensor.shape().axis(i);
        }
        return array(floats(tensor), axes);
    }

    static INDArray array(float[] values, long... axes) {
        return Nd4j.createFromArray(values).reshape('c', axes);
    }

    /** The array's values, row-major. */
    static float[] values(INDArray array) {
        return array.dup('c').data().asFloat();
    }

    static void store(Tensor target, INDArray array) {
        store(target, 0, values(array));
    }
}
