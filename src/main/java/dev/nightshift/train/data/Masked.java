package dev.nightshift.train.data;

/**
 * Tokens with their loss weights.
 *
 * @param lastTurnOnly the template writes earlier turns differently when others follow, so they bear no loss
 */
record Masked(int[] ids, float[] weights, boolean lastTurnOnly) {}
