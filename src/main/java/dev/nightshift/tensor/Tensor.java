package dev.nightshift.tensor;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Row-major elements in memory that somebody else owns. On a host backend {@code data} can be read; on a device backend its
 * address is a device address and only {@link TensorOps} may touch what it points to.
 *
 * @param data exactly {@code shape.elements() * dtype.bytes()} bytes, little-endian
 */
public record Tensor(MemorySegment data, DType dtype, Shape shape) {
    public Tensor {
        Objects.requireNonNull(dtype, "dtype is null");
        long bytes = shape.elements() * dtype.bytes();
        if (data.byteSize() != bytes) {
            throw new IllegalStateException(
                    "%s %s needs %d bytes, got %d".formatted(dtype, shape, bytes, data.byteSize()));
        }
    }

    /** Rows {@code from} (inclusive) to {@code to} of the outermost axis, sharing memory. */
    public Tensor rows(long from, long to) {
        if (from < 0 || to < from || to > shape.axis(0)) {
            throw new IllegalStateException("rows %d..%d of %s".formatted(from, to, shape));
        }
        long[] axes = new long[shape.rank()];
        axes[0] = to - from;
        long rowElements = 1;
        for (int i = 1; i < axes.length; i++) {
            axes[i] = shape.axis(i);
            rowElements *= axes[i];
        }
        long rowBytes = rowElements * dtype.bytes();
        return new Tensor(data.asSlice(from * rowBytes, (to - from) * rowBytes), dtype, Shape.of(axes));
    }

    /** The same elements under another shape. */
    public Tensor reshape(long... axes) {
        return new Tensor(data, dtype, Shape.of(axes));
    }

    public long bytes() {
        return data.byteSize();
    }
}
