package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.TrainingOpsContract;

class Nd4jTrainingTest extends TrainingOpsContract {

    @Override
    protected TensorOps open() {
        return Nd4jBackend.open(1L << 30, 1);
    }

    @Override
    protected TrainingOps training(TensorOps opened) {
        return Nd4jBackend.training(opened);
    }
}
