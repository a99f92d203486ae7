package dev.nightshift.tuning;

import java.util.Collections;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * The adapter that a job makes.
 *
 * @param targets names of the projections that learn, {@code q_proj} and so on
 * @param rsLora scale alpha / sqrt(rank)
 * @param plusRatio LoRA+: learning rate of B over that of A
 */
public record LoraSpec(
        int rank, double alpha, double dropout, SortedSet<String> targets, boolean rsLora, double plusRatio) {
    public LoraSpec {
        targets = Collections.unmodifiableSortedSet(new TreeSet<>(targets));
    }
}
