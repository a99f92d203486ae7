package dev.nightshift.tuning;

/** When what a job learnt goes live. */
public enum PublishRule {
    /** All numbers finite, and better than the base on the validation rows, or without those, the training loss fell. */
    BETTER,
    /** All numbers finite. */
    FINITE,
    /** Not at all; checkpoints only. */
    NEVER
}
