package dev.nightshift.tensor;

import java.util.Arrays;

/** Sizes of a tensor's axes, outermost first; row-major. */
public final class Shape {
    private final long[] axes;

    private Shape(long[] axes) {
        this.axes = axes;
    }

    /** A shape of these axes, none negative. */
    public static Shape of(long... axes) {
        for (long axis : axes) {
            if (axis < 0) {
                throw new IllegalArgumentException("negative axis in " + Arrays.toString(axes));
            }
        }
        return new Shape(axes.clone());
    }

    public int rank() {
        return axes.length;
    }

    public long axis(int index) {
        return axes[index];
    }

    /** Number of elements; 1 for a scalar. */
    public long elements() {
        long product = 1;
        for (long axis : axes) {
            product = Math.multiplyExact(product, axis);
        }
        return product;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(axes, shape.axes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(axes);
    }

    @Override
    public String toString() {
        return Arrays.toString(axes);
    }
}
