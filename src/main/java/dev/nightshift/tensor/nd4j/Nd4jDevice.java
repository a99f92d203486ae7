package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.TensorOps;
import org.nd4j.linalg.api.ops.executioner.OpExecutioner;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.nativeblas.NativeOps;
import org.nd4j.nativeblas.NativeOpsHolder;

/** Starts ND4J and looks at what it will run on. */
final class Nd4jDevice {
    /** The CUDA build holds machine code for sm_37 to sm_86 and no PTX; 8.9 runs code of its major version. */
    private static final int CUDA_MAJOR_MAX = 8;

    private Nd4jDevice() {}

    static TensorOps open(long memoryBudgetBytes, int threads) {
        // Nd4j first: its start finds the backend that NativeOpsHolder asks for
        boolean cuda = Nd4j.getExecutioner().type() == OpExecutioner.ExecutionerType.CUDA;
        NativeOps device = NativeOpsHolder.getInstance().getDeviceNativeOps();
        if (cuda) {
            requireSupportedCard(device);
        } else {
            Nd4j.getEnvironment().setMaxThreads(threads);
            Nd4j.getEnvironment().setMaxMasterThreads(threads);
            device.setOmpNumThreads(threads);
        }
        return new Nd4jOps(memoryBudgetBytes);
    }

    private static void requireSupportedCard(NativeOps device) {
        if (device.getAvailableDevices() == 0) {
            throw Nd4jBackend.refused("the CUDA build of ND4J finds no card", null);
        }
        int major = device.getDeviceMajor(0);
        if (major > CUDA_MAJOR_MAX) {
            throw Nd4jBackend.refused(
                    "ND4J %s has no code for %s, compute capability %d.%d; the limit is %d.x"
                            .formatted(
                                    Nd4jBackend.VERSION,
                                    device.getDeviceName(0),
                                    major,
                                    device.getDeviceMinor(0),
                                    CUDA_MAJOR_MAX),
                    null);
        }
    }
}
