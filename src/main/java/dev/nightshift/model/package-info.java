/**
 * The decoder, written once against {@link dev.nightshift.tensor.TensorOps}. Legend of shapes: tokens (rows of a step), hidden,
 * heads, kvHeads, headDim, inner (intermediate size), vocab. Only the engine's thread calls in here.
 */
package dev.nightshift.model;
