package dev.nightshift.tensor.nd4j;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps;

/**
 * Opens backend {@code nd4j}. This class mentions no class of ND4J, so it loads and refuses with a reason where ND4J is absent
 * or finds no device it has code for.
 */
public final class Nd4jBackend {
    /** As in {@code nightshift.backend}. */
    public static final String NAME = "nd4j";

    static final String VERSION = "1.0.0-M2.1";

    private Nd4jBackend() {}

    /** The backend on all processors. */
    public static TensorOps open(long memoryBudgetBytes) {
        return open(memoryBudgetBytes, Runtime.getRuntime().availableProcessors());
    }

    /**
     * The backend with room for so many bytes, computing with so many threads where it runs on the CPU.
     *
     * @throws ServingException {@link ErrorCode#UNAVAILABLE} if ND4J is not in this build or finds no device it runs on
     */
    public static TensorOps open(long memoryBudgetBytes, int threads) {
        try {
            return Nd4jDevice.open(memoryBudgetBytes, threads);
        } catch (NoClassDefFoundError missing) {
            throw refused(
                    isPresent("org/nd4j/linalg/factory/Nd4j")
                            ? "ND4J %s does not start: %s".formatted(VERSION, missing)
                            : "ND4J is not in this build; build with -Pnd4j-native or -Pnd4j-cuda",
                    missing);
        } catch (ExceptionInInitializerError | UnsatisfiedLinkError broken) {
            throw refused(
                    isPresent("org/nd4j/linalg/jcublas/JCublasBackend")
                            ? ("the CUDA build of ND4J %s finds no card it runs on; it needs a driver, the CUDA 11.6 libraries"
                                            + " and a card of compute capability 3.7 to 8.9")
                                    .formatted(VERSION)
                            : "ND4J %s finds no processor it runs on".formatted(VERSION),
                    broken);
        }
    }

    /** What trains on the tensors and weights of an opened backend. */
    public static TrainingOps training(TensorOps opened) {
        if (!NAME.equals(opened.name())) {
            throw new IllegalStateException("training of backend %s on backend %s".formatted(NAME, opened.name()));
        }
        return new Nd4jTraining();
    }

    private static boolean isPresent(String type) {
        return Nd4jBackend.class.getClassLoader().getResource(type + ".class") != null;
    }

    static ServingException refused(String reason, Throwable cause) {
        return new ServingException(ErrorCode.UNAVAILABLE, "backend nd4j: " + reason, cause);
    }
}
