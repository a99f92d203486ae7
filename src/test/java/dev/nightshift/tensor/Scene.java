package dev.nightshift.tensor;

import java.util.Arrays;
import java.util.stream.IntStream;

/** A backend under test with its tensors: puts host values there and reads results back. */
final class Scene {
    private final TensorOps ops;

    Scene(TensorOps ops) {
        this.ops = ops;
    }

    TensorOps ops() {
        return ops;
    }

    Tensor zeros(DType dtype, long... axes) {
        return ops.allocate(MemoryPart.WORKSPACE, dtype, Shape.of(axes));
    }

    /** An output, filled with NaN so that what an operation leaves out is seen. */
    Tensor output(long... axes) {
        Tensor host = HostTensors.zeros(DType.F32, axes);
        float[] nan = new float[Math.toIntExact(host.shape().elements())];
        Arrays.fill(nan, Float.NaN);
        return f32(nan, axes);
    }

    Tensor put(Tensor host) {
        Tensor device = ops.allocate(MemoryPart.WORKSPACE, host.dtype(), host.shape());
        ops.upload(device, host);
        return device;
    }

    Tensor f32(float[] values, long... axes) {
        return put(HostTensors.f32(values, axes));
    }

    Tensor i32(int[] values, long... axes) {
        return put(HostTensors.i32(values, axes));
    }

    private Tensor read(Tensor device) {
        Tensor host = HostTensors.zeros(
                device.dtype(),
                IntStream.range(0, device.shape().rank())
                        .mapToLong(device.shape()::axis)
                        .toArray());
        ops.readback(host, device);
        return host;
    }

    float[] floats(Tensor device) {
        return HostTensors.floats(read(device));
    }

    int[] ints(Tensor device) {
        return HostTensors.ints(read(device));
    }

    byte[] bytes(Tensor device) {
        return HostTensors.bytes(read(device));
    }
}
