package dev.nightshift.tensor;

import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/**
 * What every backend must compute in training, held against {@link TrainingFormulas}. A backend's test extends this class; the
 * same seed property as {@link TensorOpsContract}.
 */
public abstract class TrainingOpsContract
        implements TrainingLinearContract, TrainingRowsContract, TrainingAttentionContract, OptimizerContract {
    private static final long SEED = Long.getLong("nightshift.test.seed", System.nanoTime());

    static {
        System.out.printf("Data of the training contract: -Dnightshift.test.seed=%d%n", SEED);
    }

    private TensorOps ops;
    private TrainingOps training;

    /** A backend with room for 1 GiB. */
    protected abstract TensorOps open();

    /** The backward of an opened backend. */
    protected abstract TrainingOps training(TensorOps opened);

    @BeforeEach
    void openBackend() {
        ops = open();
        training = training(ops);
    }

    @AfterEach
    void closeBackend() {
        if (ops != null) {
            ops.close();
        }
    }

    @Override
    public Scene scene() {
        return new Scene(ops);
    }

    @Override
    public TrainingOps training() {
        return training;
    }

    @Override
    public Random random(String name) {
        return new Random(SEED ^ name.hashCode() * 0x9E3779B97F4A7C15L);
    }
}
