package dev.nightshift.train;

import java.util.List;

/**
 * What an optimizer step did.
 *
 * @param loss the minimised quantity
 * @param targetTokens tokens that bore loss
 * @param tokens rows that ran
 * @param accuracy share of targets that were the model's first choice; NaN for preference steps
 * @param gradientNorm before clipping
 * @param divergence KTO's estimate, else 0
 * @param samples per sample of a preference step: log-probabilities with and without the adapter, in order
 */
public record StepResult(
        double loss,
        long targetTokens,
        long tokens,
        double accuracy,
        double gradientNorm,
        double learningRate,
        double divergence,
        List<SampleScore> samples) {
    /** @param reference NaN where the objective has none */
    public record SampleScore(Segment.Role role, double policy, double reference) {}

    public StepResult {
        samples = List.copyOf(samples);
    }

    /** Whether loss and gradient are numbers: training must not go on otherwise. */
    public boolean finite() {
        return Double.isFinite(loss) && Double.isFinite(gradientNorm);
    }
}
