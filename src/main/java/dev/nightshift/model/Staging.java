package dev.nightshift.model;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Fixed tensors between host and device: a range of device memory and a host copy of the same bytes. A {@link Plan} lays
 * tensors out from the range's start, so that one transfer moves all of them. Plans share the range; one is used at a time.
 */
public final class Staging {
    /** Device vectors and CUDA copies like this alignment. */
    private static final long ALIGNMENT = 256;

    private final Tensor device;
    private final Tensor host;

    public Staging(TensorOps ops, long bytesMax) {
        Shape shape = Shape.of(bytesMax);
        this.device = ops.allocate(MemoryPart.WORKSPACE, DType.U8, shape);
        this.host = new Tensor(Arena.ofAuto().allocate(bytesMax, ALIGNMENT), DType.U8, shape);
    }

    /** Bytes a tensor takes in a plan. */
    public static long bytes(DType dtype, long... axes) {
        return align(Shape.of(axes).elements() * dtype.bytes());
    }

    private static long align(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /** A tensor on the device and the host bytes behind it. */
    public record Staged(Tensor device, MemorySegment host) {}

    public Plan plan() {
        return new Plan();
    }

    /** A layout of the range. */
    public final class Plan {
        private long used;
        private Tensor deviceRange;
        private Tensor hostRange;

        private Plan() {}

        /** The next tensor of the layout. */
        public Staged tensor(DType dtype, long... axes) {
            Shape shape = Shape.of(axes);
            long bytes = shape.elements() * dtype.bytes();
            Staged staged = new Staged(
                    new Tensor(device.data().asSlice(used, bytes), dtype, shape),
                    host.data().asSlice(used, bytes));
            used += align(bytes);
            return staged;
        }

        /** Ends the layout. */
        public Plan seal() {
            deviceRange = device.rows(0, used);
            hostRange = host.rows(0, used);
            return this;
        }

        /** All of the layout to the device. */
        public void upload(TensorOps ops) {
            ops.upload(deviceRange, hostRange);
        }

        /** All of the layout back to the host; waits for it. */
        public void readback(TensorOps ops) {
            ops.readback(hostRange, deviceRange);
        }
    }
}
