package dev.nightshift.tensor.nd4j;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tensor.TensorOps;

/** Opens the backend in a process of its own and prints what came of it. */
final class Nd4jStart {
    private Nd4jStart() {}

    public static void main(String[] arguments) {
        try (TensorOps ops = Nd4jBackend.open(1 << 20, 1)) {
            System.out.println("open: " + ops.description());
        } catch (ServingException refusal) {
            System.out.println(refusal.code() + ": " + refusal.getMessage());
        }
    }
}
