package dev.nightshift.train;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Host tensors for uploads and readbacks. */
final class HostRows {
    private HostRows() {}

    static Tensor of(int[] values) {
        Tensor tensor = empty(DType.I32, values.length);
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_INT, 0, values.length);
        return tensor;
    }

    static Tensor of(float[] values) {
        Tensor tensor = empty(DType.F32, values.length);
        MemorySegment.copy(values, 0, tensor.data(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    static Tensor empty(DType dtype, long... axes) {
        Shape shape = Shape.of(axes);
        return new Tensor(Arena.ofAuto().allocate(shape.elements() * dtype.bytes(), 64), dtype, shape);
    }

    static float[] floats(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_FLOAT);
    }

    static int[] ints(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_INT);
    }
}
