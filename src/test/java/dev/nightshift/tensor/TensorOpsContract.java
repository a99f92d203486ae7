package dev.nightshift.tensor;

import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/**
 * What every backend must compute, held against plain loops in double ({@link ScalarFormulas} and its neighbours). A backend's
 * test extends this class. Data is fresh each run; {@code -Dnightshift.test.seed=N} repeats a run.
 */
public abstract class TensorOpsContract
        implements LinearContract,
                AdapterContract,
                RowOpsContract,
                AttentionContract,
                SamplingContract,
                ScoreContract,
                InvarianceContract,
                RefusalContract {
    private static final long SEED = Long.getLong("nightshift.test.seed", System.nanoTime());

    static {
        System.out.printf("Data of the contract tests: -Dnightshift.test.seed=%d%n", SEED);
    }

    private TensorOps ops;

    /** A backend with room for 1 GiB. */
    protected abstract TensorOps open();

    @BeforeEach
    void openBackend() {
        ops = open();
    }

    @AfterEach
    void closeBackend() {
        if (ops != null) {
            ops.close();
        }
    }

    @Override
    public TensorOps ops() {
        return ops;
    }

    @Override
    public Random random(String name) {
        return new Random(SEED ^ name.hashCode() * 0x9E3779B97F4A7C15L);
    }
}
