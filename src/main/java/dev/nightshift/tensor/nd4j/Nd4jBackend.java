package dev.nightshift.tensor.nd4j;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.TensorOps;

/**
 * Opens backend {@code nd4j}. This class mentions no class of ND4J, so it loads and refuses with a reason where ND4J is absent
 * or finds no device it has code for.
 */
public final class Nd4jBackend {
    /** As in {@code nightshift.backend}. */
    public static final String NAME = "nd4j";

    static final String VERSION = "1.0.0-M2.1";

    private Nd4jBackend() {}

    /**
     * The backend with room for so many bytes.
     *
     * @throws ServingException {@link ErrorCode#UNAVAILABLE} if ND4J is not in this build or finds no device it runs on
     */
    public static TensorOps open(long memoryBudgetBytes) {
        try {
            return Nd4jDevice.open(memoryBudgetBytes);
        } catch (NoClassDefFoundError missing) {
            if (missing.getMessage() != null && missing.getMessage().startsWith("org/nd4j/linalg/factory")) {
                throw refused("ND4J is not in this build; build with -Pnd4j-native or -Pnd4j-cuda", missing);
            }
            throw refused("ND4J %s does not start: %s".formatted(VERSION, missing), missing);
        } catch (ExceptionInInitializerError | UnsatisfiedLinkError broken) {
            throw refused("ND4J %s finds no device it runs on: %s".formatted(VERSION, rootMessage(broken)), broken);
        }
    }

    static ServingException refused(String reason, Throwable cause) {
        return new ServingException(ErrorCode.UNAVAILABLE, "backend nd4j: " + reason, cause);
    }

    private static String rootMessage(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root.getMessage() == null ? root.toString() : root.getMessage();
    }
}
