package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;

/**
 * One decoder layer. Linears may be 4-bit or dense, each part of a fused one for itself; norms and biases are F32.
 *
 * @param inputNorm [hidden]
 * @param qkv fused q, k, v: [(heads + 2 * kvHeads) * headDim, hidden]
 * @param qkvBias [(heads + 2 * kvHeads) * headDim] or null
 * @param qNorm [headDim] or null; kNorm alike
 * @param output [hidden, heads * headDim]
 * @param outputBias [hidden] or null
 * @param postNorm [hidden]
 * @param gateUp fused gate, up: [2 * intermediate, hidden]
 * @param gateUpBias [2 * intermediate] or null
 * @param down [hidden, intermediate]
 * @param downBias [hidden] or null
 */
public record LayerWeights(
        Tensor inputNorm,
        Weight qkv,
        Tensor qkvBias,
        Tensor qNorm,
        Tensor kNorm,
        Weight output,
        Tensor outputBias,
        Tensor postNorm,
        Weight gateUp,
        Tensor gateUpBias,
        Weight down,
        Tensor downBias) {}
