package dev.nightshift.train;

import java.util.List;

/**
 * The work of one optimizer step.
 *
 * @param unrelated KTO's micro batches for the divergence, else empty
 * @param number 1 for the job's first step
 * @param seed of dropout and noise; each micro batch derives its own
 */
public record OptimizerStep(
        Objective objective,
        List<MicroBatch> batches,
        List<MicroBatch> unrelated,
        double learningRate,
        int number,
        long seed) {
    public OptimizerStep {
        batches = List.copyOf(batches);
        unrelated = List.copyOf(unrelated);
    }

    /** Divisor of the loss: weight of all targets (supervised), pairs (DPO, ORPO) or samples (KTO) of the whole step. */
    public double units() {
        double sum = 0;
        for (MicroBatch batch : batches) {
            for (Segment segment : batch.segments()) {
                sum += switch (segment.role()) {
                    case TARGET -> segment.targetWeight();
                    case CHOSEN, DESIRABLE, UNDESIRABLE -> 1;
                    case REJECTED, UNRELATED -> 0;
                };
            }
        }
        return sum;
    }
}
