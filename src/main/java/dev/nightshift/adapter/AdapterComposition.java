package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftConfig;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * Weighted sums of adapters and their reduction to a lower rank. The change of a target is {@code sum of weight * scale * B A},
 * which has the factors of all adapters side by side.
 */
final class AdapterComposition {
    private AdapterComposition() {}

    /** An adapter with its weight; {@code id} for messages. */
    record Part(String id, LoraWeights weights, double weight) {}

    /** New factors, and what a reduction cost: Frobenius norm of what was lost over that of what was there. */
    record Result(LoraWeights weights, double relativeError) {}

    /**
     * The weighted sum.
     *
     * @param rank of each target at most; empty = the sum of the ranks, at most {@link PeftConfig#RANK_MAX}
     * @param arena holds the new factors
     */
    static Result sum(List<Part> parts, OptionalInt rank, ModelConfig base, Arena arena) {
        Map<Integer, List<Part>> byTarget = new TreeMap<>();
        for (Part part : parts) {
            refuse(part);
            part.weights()
                    .factors()
                    .forEach(factors -> byTarget.computeIfAbsent(factors.target(), t -> new ArrayList<>())
                            .add(part));
        }
        List<LoraWeights.Factors> sums = new ArrayList<>();
        double lost = 0;
        double total = 0;
        for (Map.Entry<Integer, List<Part>> entry : byTarget.entrySet()) {
            int target = entry.getKey();
            LowRankProduct product = product(target, entry.getValue());
            if (rank.isPresent() && product.rank() > rank.getAsInt()) {
                LowRankProduct.Reduced reduced = product.reduce(rank.getAsInt());
                product = reduced.product();
                lost += reduced.lost();
                total += reduced.total();
            } else if (product.rank() > PeftConfig.RANK_MAX) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "the ranks of %s add up to %d, at most %d; give a rank to reduce the sum to"
                                .formatted(AdapterModules.name(base, target), product.rank(), PeftConfig.RANK_MAX));
            }
            sums.add(product.factors(target, arena));
        }
        return new Result(new LoraWeights(sums, Map.of()), total == 0 ? 0 : Math.sqrt(lost / total));
    }

    private static LowRankProduct product(int target, List<Part> parts) {
        LowRankProduct sum = null;
        for (Part part : parts) {
            LoraWeights.Factors factors = part.weights().factors().stream()
                    .filter(candidate -> candidate.target() == target)
                    .findFirst()
                    .orElseThrow();
            LowRankProduct product = LowRankProduct.of(factors, part.weight());
            sum = sum == null ? product : sum.plus(product);
        }
        return sum;
    }

    /** DoRA's gain and a replaced module are no sums of products. */
    private static void refuse(Part part) {
        if (part.weights().factors().stream().anyMatch(factors -> factors.magnitude() != null)) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "%s uses DoRA (use_dora), whose gain can't be written as a low-rank sum".formatted(part.id()));
        }
        if (!part.weights().replacements().isEmpty()) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "%s replaces whole modules (modules_to_save), which can't be written as a low-rank sum"
                            .formatted(part.id()));
        }
        if (!Double.isFinite(part.weight())) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST, "the weight of %s is %s".formatted(part.id(), part.weight()));
        }
    }
}
