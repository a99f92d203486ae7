package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;

/**
 * A packed micro batch on the device.
 *
 * @param tokens rows in use
 * @param ids [tokens] I32
 * @param segmentStarts [tokens] I32
 * @param cosSin [tokens, headDim] F32
 * @param learns whether dropout applies; an evaluation measures the whole adapter
 * @param dropoutSeed of this micro batch; layers and linears derive their own from it
 */
public record PackedRows(
        int tokens, Tensor ids, Tensor segmentStarts, Tensor cosSin, boolean learns, long dropoutSeed) {}
