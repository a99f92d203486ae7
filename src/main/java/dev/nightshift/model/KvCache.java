package dev.nightshift.model;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;

/**
 * The paged keys and values of all layers.
 *
 * @param blocks [blockCount, blockBytes] U8
 */
public record KvCache(Tensor blocks, KvLayout layout) {

    /** Takes the memory of {@code blockCount} blocks, at start. */
    public static KvCache allocate(TensorOps ops, ModelConfig config, int blockTokens, int blockCount) {
        KvLayout layout = ops.kvLayout(config.layers(), config.kvHeads(), config.headDim(), blockTokens);
        Tensor blocks = ops.allocate(MemoryPart.KV_BLOCKS, DType.U8, Shape.of(blockCount, layout.blockBytes()));
        return new KvCache(blocks, layout);
    }

    public int blockCount() {
        return Math.toIntExact(blocks.shape().axis(0));
    }
}
