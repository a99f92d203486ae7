package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Random weights and activations of the tests and benchmarks in this package. */
final class CpuFixtures {
    private CpuFixtures() {}

    static float[] normal(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    static Tensor floats(TensorOps ops, float[] values, long... axes) {
        Tensor tensor = ops.allocate(MemoryPart.WORKSPACE, DType.F32, Shape.of(axes));
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    static Tensor ints(TensorOps ops, int[] values, long... axes) {
        Tensor tensor = ops.allocate(MemoryPart.WORKSPACE, DType.I32, Shape.of(axes));
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_INT, 0, values.length);
        return tensor;
    }

    static Tensor zeros(TensorOps ops, long... axes) {
        return ops.allocate(MemoryPart.WORKSPACE, DType.F32, Shape.of(axes));
    }

    static float[] read(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_FLOAT);
    }

    static Weight.FourBit fourBit(Random random, FourBitCode code, int rows, int columns, int blockSize) {
        byte[] packed = new byte[(rows * columns + 1) / 2];
        random.nextBytes(packed);
        float[] absmax = new float[(rows * columns + blockSize - 1) / blockSize];
        for (int i = 0; i < absmax.length; i++) {
            absmax[i] = 0.02f + 0.1f * random.nextFloat();
        }
        Tensor bytes = new Tensor(MemorySegment.ofArray(packed), DType.U8, Shape.of(packed.length));
        Tensor scales = new Tensor(MemorySegment.ofArray(absmax), DType.F32, Shape.of(absmax.length));
        return new Weight.FourBit(code, rows, columns, blockSize, bytes, new BlockScales.Plain(scales));
    }

    static Weight.Dense dense(Random random, DType dtype, int rows, int columns) {
        MemorySegment data = MemorySegment.ofArray(new byte[rows * columns * dtype.bytes()]);
        for (int i = 0; i < rows * columns; i++) {
            float value = (float) random.nextGaussian() / 8;
            switch (dtype) {
                case F32 -> data.set(Raw.F32, 4L * i, value);
                case BF16 -> data.set(Raw.I16, 2L * i, (short) (Float.floatToRawIntBits(value) >>> 16));
                case F16 -> data.set(Raw.I16, 2L * i, Float.floatToFloat16(value));
                case I64, I32, U8 -> throw new IllegalStateException("weight of " + dtype);
            }
        }
        return new Weight.Dense(new Tensor(data, dtype, Shape.of(rows, columns)));
    }

    /** A dense weight's element. */
    static float element(Weight.Dense weight, int index) {
        MemorySegment data = weight.values().data();
        return switch (weight.values().dtype()) {
            case F32 -> data.get(Raw.F32, 4L * index);
            case BF16 -> Float.intBitsToFloat(data.get(Raw.I16, 2L * index) << 16);
            case F16 -> Float.float16ToFloat(data.get(Raw.I16, 2L * index));
            case I64, I32, U8 ->
                throw new IllegalStateException("weight of " + weight.values().dtype());
        };
    }
}
