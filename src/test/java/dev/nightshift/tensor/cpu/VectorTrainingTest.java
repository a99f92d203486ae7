package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.TrainingOpsContract;

/** The backward's contract, on more threads than most machines' cores. */
class VectorTrainingTest extends TrainingOpsContract {

    @Override
    protected TensorOps open() {
        return new VectorOps(1L << 30, 3);
    }

    @Override
    protected TrainingOps training(TensorOps opened) {
        return opened.training();
    }
}
