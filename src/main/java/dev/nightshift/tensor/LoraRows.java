package dev.nightshift.tensor;

/**
 * The adapter of each row of one linear.
 *
 * @param rowSlots [rows] I32, slot of the row's adapter or -1 for the base model; rows without adapter cost nothing
 * @param firstTarget target number of the linear's first part; part p of a fused weight is {@code firstTarget + p}
 * @param scratch [rows, parts * rankMax] F32, holds A x
 */
public record LoraRows(LoraTable table, Tensor rowSlots, int firstTarget, Tensor scratch) {}
