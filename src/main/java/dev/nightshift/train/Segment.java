package dev.nightshift.train;

import java.util.Objects;

/**
 * One sample of a packed micro batch.
 *
 * @param ids tokens
 * @param weights as long as ids: loss weight of each token as a target, 0 = no loss; the first token can't be one
 */
public record Segment(int[] ids, float[] weights, Role role) {
    /** What a sample is to the loss. */
    public enum Role {
        /** Supervised: learn these tokens. */
        TARGET,
        /** The better answer of a pair; its worse one follows it. */
        CHOSEN,
        REJECTED,
        /** KTO: an answer marked good, or bad. */
        DESIRABLE,
        UNDESIRABLE,
        /** KTO: a prompt with somebody else's answer, for the estimate of the divergence. */
        UNRELATED
    }

    public Segment {
        Objects.requireNonNull(role, "role is null");
        if (ids.length != weights.length || ids.length < 2) {
            throw new IllegalStateException("%d tokens, %d weights".formatted(ids.length, weights.length));
        }
    }

    /** Sum of the weights of tokens that are targets. */
    public double targetWeight() {
        double sum = 0;
        for (int i = 1; i < weights.length; i++) {
            sum += weights[i];
        }
        return sum;
    }
}
