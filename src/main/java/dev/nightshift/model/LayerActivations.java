package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;

/**
 * What the backward of a layer reads beside the layer's input; all F32, 4 bytes an element:
 * {@code 2 * qkv (once where there are no head norms) + heads * headDim + heads + hidden + 2 * inner + sum of ranks} floats a
 * token.
 *
 * @param qkvInput [tokens, qkv] before the rotary embedding; the same tensor as {@code qkv} where there are no head norms
 * @param qkv [tokens, qkv] after it
 * @param attention [tokens, heads * headDim]
 * @param logSumExp [tokens, heads]
 * @param middle [tokens, hidden], the residual after attention
 * @param gateUp [tokens, 2 * inner]
 * @param low seven [tokens, rank] (A x of q, k, v, o, gate, up, down), null where a linear is not adapted
 */
public record LayerActivations(
        Tensor qkvInput, Tensor qkv, Tensor attention, Tensor logSumExp, Tensor middle, Tensor gateUp, Tensor[] low) {}
