package dev.nightshift.train;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;

/** Cuts tensors from one region of memory, one after another; the region is given back as a whole. Content is undefined. */
public final class TrainingArena {
    private static final long ALIGNMENT = 256;

    private final Tensor region;
    private long used;

    /** @param region [bytes] U8 */
    public TrainingArena(Tensor region) {
        this.region = region;
    }

    /** The next tensor; {@link IllegalStateException} if the region, which a plan sized, is too small. */
    public Tensor take(DType dtype, long... axes) {
        Shape shape = Shape.of(axes);
        long bytes = shape.elements() * dtype.bytes();
        long end = used + round(bytes);
        if (end > region.bytes()) {
            throw new IllegalStateException(
                    "training arena of %d bytes, %d used, %d more needed".formatted(region.bytes(), used, bytes));
        }
        Tensor tensor = new Tensor(region.data().asSlice(used, bytes), dtype, shape);
        used = end;
        return tensor;
    }

    /** Bytes that a tensor takes in an arena. */
    public static long size(DType dtype, long... axes) {
        return round(Shape.of(axes).elements() * dtype.bytes());
    }

    private static long round(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    public long usedBytes() {
        return used;
    }

    public long freeBytes() {
        return region.bytes() - used;
    }
}
