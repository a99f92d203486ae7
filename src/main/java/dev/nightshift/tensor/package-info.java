/**
 * Tensors, weights and {@link dev.nightshift.tensor.TensorOps}, the seam that every backend implements. Nothing here owns
 * memory: a backend does, and books it to the parts of one budget. Sub-packages are the backends.
 */
package dev.nightshift.tensor;
