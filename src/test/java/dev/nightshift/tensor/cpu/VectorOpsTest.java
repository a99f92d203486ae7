package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TensorOpsContract;

/** The contract at the machine's preferred width, on more threads than most machines' cores. */
class VectorOpsTest extends TensorOpsContract {

    @Override
    protected TensorOps open() {
        return new VectorOps(1L << 30, 3);
    }

    @Override
    public boolean bitExact() {
        return true;
    }
}
