package dev.nightshift.tuning;

/** The written rule for hyperparameters that a job leaves {@code auto}; docs/tuning.md states it. */
final class AutoValues {
    static final int EPOCHS_MAX = 50;
    static final int BATCH_MAX = 256;

    private static final int EPOCHS = 3;
    private static final int EXAMPLES_MIN = 100;
    private static final int EXAMPLES_MAX = 25_000;
    private static final int EPOCHS_OF_FEW_ROWS = 25;

    private static final double ROWS_SHARE = 0.002;

    // QLoRA (arXiv 2305.14314), appendix B: 2e-4 for 7B and 13B, 1e-4 for 33B and 65B.
    private static final double RATE_7B = 2e-4;
    private static final double RATE_33B = 1e-4;
    private static final double PARAMETERS_7B = 6.5e9;
    private static final double PARAMETERS_33B = 30e9;
    private static final double RATE_MAX = 4e-3;

    private AutoValues() {}

    /** Three passes, more over few rows and fewer over many (research on OpenAI's own rule). */
    static int epochs(long rows) {
        if (rows * EPOCHS < EXAMPLES_MIN) {
            return (int) Math.clamp(EXAMPLES_MIN / Math.max(1, rows), 1, EPOCHS_OF_FEW_ROWS);
        }
        return rows * EPOCHS > EXAMPLES_MAX ? (int) Math.max(1, EXAMPLES_MAX / rows) : EPOCHS;
    }

    /** About 0.2 % of the rows. */
    static int batchSize(long rows) {
        return (int) Math.clamp(Math.round(rows * ROWS_SHARE), 1, BATCH_MAX);
    }

    /** Peak rate before the job's multiplier: smaller models bear, and need, larger steps: with the cube root of the size. */
    static double learningRate(long modelParameters) {
        if (modelParameters >= PARAMETERS_33B) {
            return RATE_33B;
        }
        return Math.min(RATE_MAX, RATE_7B * Math.cbrt(Math.max(1, PARAMETERS_7B / modelParameters)));
    }
}
