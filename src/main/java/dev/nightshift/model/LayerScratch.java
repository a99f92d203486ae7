package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;

/**
 * Buffers that one layer's stages use and nothing survives in; shared by all layers.
 *
 * @param normed [chunk, hidden]
 * @param dNormed [chunk, hidden]
 * @param active [chunk, inner]
 * @param dActive [chunk, inner]
 * @param dGateUp [chunk, 2 * inner]
 * @param wide [chunk, hidden], output of o and down
 * @param dLow [chunk, rankMax]
 * @param dAttention [tokens, heads * headDim]
 * @param dQkv [tokens, qkv]
 */
public record LayerScratch(
        Tensor normed,
        Tensor dNormed,
        Tensor active,
        Tensor dActive,
        Tensor dGateUp,
        Tensor wide,
        Tensor dLow,
        Tensor dAttention,
        Tensor dQkv) {}
