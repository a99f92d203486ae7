package dev.nightshift.train;

import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.ModelConfig;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Which linears of a new adapter learn, and how large their factors are.
 *
 * @param projections of {@link LoraTargets#Q} to {@link LoraTargets#DOWN}, the same in every layer
 * @param rsLora scale alpha / sqrt(rank) instead of alpha / rank (arXiv 2312.03732)
 */
public record AdapterShape(int rank, float alpha, boolean rsLora, SortedSet<Integer> projections) {
    public static final int RANK_MAX = 256;

    public AdapterShape {
        if (rank < 1 || rank > RANK_MAX) {
            throw new IllegalStateException("rank %d, 1 to %d are possible".formatted(rank, RANK_MAX));
        }
        projections = Collections.unmodifiableSortedSet(new TreeSet<>(projections));
        if (projections.isEmpty() || projections.first() < LoraTargets.Q || projections.last() > LoraTargets.DOWN) {
            throw new IllegalStateException("projections " + projections);
        }
    }

    /** Factor on B A x. */
    public float scale() {
        return (float) (rsLora ? alpha / Math.sqrt(rank) : alpha / rank);
    }

    /** Target numbers of all layers, rising. */
    public List<Integer> targets(ModelConfig config) {
        List<Integer> targets = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            for (int projection : projections) {
                targets.add(LoraTargets.of(layer, projection));
            }
        }
        return targets;
    }

    /** Input features of a projection. */
    public static int inputs(ModelConfig config, int projection) {
        return switch (projection) {
            case LoraTargets.Q, LoraTargets.K, LoraTargets.V, LoraTargets.GATE, LoraTargets.UP -> config.hiddenSize();
            case LoraTargets.O -> config.heads() * config.headDim();
            case LoraTargets.DOWN -> config.intermediateSize();
            default -> throw new IllegalStateException("projection " + projection);
        };
    }

    /** Output features of a projection. */
    public static int outputs(ModelConfig config, int projection) {
        return switch (projection) {
            case LoraTargets.Q -> config.heads() * config.headDim();
            case LoraTargets.K, LoraTargets.V -> config.kvHeads() * config.headDim();
            case LoraTargets.GATE, LoraTargets.UP -> config.intermediateSize();
            case LoraTargets.O, LoraTargets.DOWN -> config.hiddenSize();
            default -> throw new IllegalStateException("projection " + projection);
        };
    }

    /** Numbers of the largest factor. */
    public long largest(ModelConfig config) {
        return projections.stream()
                .mapToLong(
                        projection -> (long) rank * Math.max(inputs(config, projection), outputs(config, projection)))
                .max()
                .orElseThrow();
    }

    /** Trainable numbers of the whole adapter. */
    public long parameters(ModelConfig config) {
        long perLayer = 0;
        for (int projection : projections) {
            perLayer += (long) rank * (inputs(config, projection) + outputs(config, projection));
        }
        return perLayer * config.layers();
    }
}
