package dev.nightshift;

import com.sun.management.OperatingSystemMXBean;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.cpu.VectorOps;
import dev.nightshift.tensor.nd4j.Nd4jBackend;
import java.lang.management.ManagementFactory;

/** What computes, and how much memory it may take. */
final class Backends {
    /** The rest is for the Java heap, the page cache and the system. */
    private static final double SHARE_OF_MEMORY = 0.6;

    private Backends() {}

    static TensorOps open(ModelSettings settings) {
        return switch (settings.backend()) {
            case CPU -> new VectorOps(budgetBytes(settings), threads(settings), settings.cpuKernels());
            case ND4J -> Nd4jBackend.open(budgetBytes(settings));
        };
    }

    /** Lets the compiler see the kernels before the first request brings them, on a thread of its own. */
    static void warmUp(ModelSettings settings) {
        if (settings.backend() == ModelSettings.Backend.CPU) {
            Thread.ofPlatform().daemon().name("nightshift-warm-up").start(VectorOps::warmUp);
        }
    }

    static int threads(ModelSettings settings) {
        return settings.cpuThreads().orElse(Runtime.getRuntime().availableProcessors());
    }

    /** The setting, else a share of what the machine, or the container around us, has. */
    static long budgetBytes(ModelSettings settings) {
        return settings.memoryBudget().map(size -> size.asLongValue()).orElseGet(() ->
                (long) (machineBytes() * SHARE_OF_MEMORY));
    }

    private static long machineBytes() {
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getTotalMemorySize();
    }
}
