package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TensorOpsContract;

class Nd4jOpsTest extends TensorOpsContract {

    @Override
    protected TensorOps open() {
        return Nd4jBackend.open(1L << 30, 1);
    }

    /** OpenBLAS adds in another order for one row than for many. */
    @Override
    public boolean bitExact() {
        return false;
    }
}
