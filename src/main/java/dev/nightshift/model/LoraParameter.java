package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TrainingOps.LoraFactors;

/**
 * Trainable factors of one target with their gradients.
 *
 * @param target number as in {@link LoraTargets}
 * @param gradientA [rank, in]
 * @param gradientB [out, rank]
 */
public record LoraParameter(int target, LoraFactors factors, Tensor gradientA, Tensor gradientB) {
    public int rank() {
        return Math.toIntExact(factors.a().shape().axis(0));
    }
}
