package dev.nightshift.train;

import dev.nightshift.tensor.Tensor;
import java.util.List;

/**
 * What a trainer has learnt, on the host, between two steps.
 *
 * @param optimizer its state in page order, empty before the first step
 */
public record TrainingState(List<AdapterParameters.HostFactors> factors, List<Tensor> optimizer) {
    public TrainingState {
        factors = List.copyOf(factors);
        optimizer = List.copyOf(optimizer);
    }

    /** Whether every number of the adapter is finite. */
    public boolean finite() {
        for (AdapterParameters.HostFactors factor : factors) {
            for (Tensor tensor : List.of(factor.a(), factor.b())) {
                for (float value : HostRows.floats(tensor)) {
                    if (!Float.isFinite(value)) {
                        return false;
                    }
                }
            }
        }
        return true;
    }
}
