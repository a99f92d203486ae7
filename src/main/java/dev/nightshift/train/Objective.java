package dev.nightshift.train;

/** What a step minimises. */
public sealed interface Objective {

    /** Mean negative log-likelihood of the step's targets, over all micro batches together. */
    record Supervised() implements Objective {}

    /** Direct preference optimisation (arXiv 2305.18290), sigmoid loss; the reference is the base without the adapter. */
    record Dpo(float beta) implements Objective {}

    /** Odds-ratio preference optimisation (arXiv 2403.07691); needs no reference. */
    record Orpo(float beta) implements Objective {}

    /** Kahneman-Tversky optimisation (arXiv 2402.01306). */
    record Kto(float beta, float desirableWeight, float undesirableWeight) implements Objective {}

    /** Whether the log-probabilities without the adapter are needed. */
    default boolean needsReference() {
        return switch (this) {
            case Supervised s -> false;
            case Dpo d -> true;
            case Orpo o -> false;
            case Kto k -> true;
        };
    }

    /** Whether the policy's log-probabilities must be known before the gradient can start. */
    default boolean needsScores() {
        return !(this instanceof Supervised);
    }
}
