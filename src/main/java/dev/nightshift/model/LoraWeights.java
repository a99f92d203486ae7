package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * An adapter on the host, independent of where it was stored.
 *
 * @param factors of the adapted targets, by rising target
 * @param replacements whole weights that stand in for the base's (modules_to_save), by target
 */
public record LoraWeights(List<Factors> factors, Map<Integer, Tensor> replacements) {

    /**
     * One adapted target.
     *
     * @param a [rank, in] F32, F16 or BF16
     * @param b [out, rank]
     * @param scale on B A x
     * @param magnitude [out] of DoRA (arXiv 2402.09353), or null
     */
    public record Factors(int target, Tensor a, Tensor b, float scale, Tensor magnitude) {
        public int rank() {
            return Math.toIntExact(a.shape().axis(0));
        }
    }

    public LoraWeights {
        factors = List.copyOf(factors);
        replacements = Map.copyOf(replacements);
    }

    /** The largest rank of any target. */
    public int rankMax() {
        return factors.stream().mapToInt(Factors::rank).max().orElse(0);
    }

    /** Bytes of all tensors as they are. */
    public long bytes() {
        long bytes = 0;
        for (Factors f : factors) {
            bytes += f.a().bytes()
                    + f.b().bytes()
                    + (f.magnitude() == null ? 0 : f.magnitude().bytes());
        }
        for (Tensor replacement : replacements.values()) {
            bytes += replacement.bytes();
        }
        return bytes;
    }
}
