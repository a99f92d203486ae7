package dev.nightshift.adapter;

import dev.nightshift.model.LoraWeights;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Map;

/**
 * A checked adapter in host memory.
 *
 * @param gains [out] F32 of DoRA targets, by target
 * @param arena holds all tensors; closed by {@link HostCopies}
 * @param hostBytes what the arena holds
 */
record HostCopy(LoraWeights weights, Map<Integer, Tensor> gains, Arena arena, long hostBytes) {

    HostCopy {
        gains = Map.copyOf(gains);
    }

    /** Bytes it takes on the device. */
    static long deviceBytes(LoraWeights weights) {
        long bytes = 0;
        for (LoraWeights.Factors factor : weights.factors()) {
            bytes += ByteRanges.padded(factor.a().bytes())
                    + ByteRanges.padded(factor.b().bytes());
            if (factor.magnitude() != null) {
                bytes += ByteRanges.padded(
                        Float.BYTES * factor.magnitude().shape().elements());
            }
        }
        for (Tensor replacement : weights.replacements().values()) {
            bytes += ByteRanges.padded(replacement.bytes());
        }
        return bytes;
    }
}
