package dev.nightshift.model;

/** Rotary embedding: base and how it is stretched beyond the trained length (transformers' {@code modeling_rope_utils}). */
public record RopeConfig(double theta, Scaling scaling) {

    /** What happens to positions beyond the trained length. */
    public sealed interface Scaling {}

    /** As trained. */
    public record None() implements Scaling {}

    /** Positions divided by {@code factor}. */
    public record Linear(double factor) implements Scaling {}

    /** NTK: the base grows once a sequence is longer than {@code originalPositions}. */
    public record Dynamic(double factor, int originalPositions) implements Scaling {}

    /** Llama 3.1: low frequencies divided, high ones kept, a smooth passage between. */
    public record Llama3(double factor, double lowFreqFactor, double highFreqFactor, int originalPositions)
            implements Scaling {}

    /**
     * YaRN (arXiv 2309.00071).
     *
     * @param attentionFactor factor on cosines and sines, already resolved
     * @param truncate whether the correction range is rounded to whole dimensions
     */
    public record Yarn(
            double factor,
            int originalPositions,
            double betaFast,
            double betaSlow,
            double attentionFactor,
            boolean truncate)
            implements Scaling {}
}
