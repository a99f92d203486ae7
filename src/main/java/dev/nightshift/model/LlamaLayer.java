package dev.nightshift.model;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.TensorOps;

/** One decoder layer over prepared weights. */
final class LlamaLayer {
    private final int index;
    private final LayerWeights w;
    private final float epsilon;
    private final AttentionShape attention;

    LlamaLayer(ModelConfig config, int index, LayerWeights weights) {
        this.index = index;
        this.w = weights;
        this.epsilon = config.rmsNormEpsilon();
        this.attention =
                new AttentionShape(config.heads(), config.kvHeads(), config.headDim(), config.window(index), (float)
                        (1 / Math.sqrt(config.headDim())));
    }

    /**
     * Leaves the MLP's output in {@code branch}: the next norm adds it to {@code residual}, so that both are one pass. The
     * first layer finds the embeddings in {@code residual} and no branch.
     */
    void forward(TensorOps ops, TokenBatch batch, KvCache kv) {
        Workspace s = batch.workspace;
        LoraRows[] lora = batch.layerLora[index];
        if (index == 0) {
            ops.rmsNorm(s.normed(), s.residual(), w.inputNorm(), epsilon); // [tokens, hidden]
        } else {
            ops.addRmsNorm(s.normed(), s.residual(), s.branch(), w.inputNorm(), epsilon); // [tokens, hidden]
        }
        // [tokens, hidden] -> [tokens, (heads + 2 * kvHeads) * headDim]
        ops.linear(s.qkv(), s.normed(), w.qkv(), w.qkvBias(), lora[0]);
        // -> [tokens, heads * headDim]
        ops.ropeAndAttention(
                s.attended(),
                s.qkv(),
                w.qNorm(),
                w.kNorm(),
                epsilon,
                batch.attentionRows,
                attention,
                kv.blocks(),
                kv.layout(),
                index);
        ops.linear(s.branch(), s.attended(), w.output(), w.outputBias(), lora[1]); // -> [tokens, hidden]
        ops.addRmsNorm(s.normed(), s.residual(), s.branch(), w.postNorm(), epsilon);
        ops.linear(s.gateUp(), s.normed(), w.gateUp(), w.gateUpBias(), lora[2]); // -> [tokens, 2 * inner]
        ops.swiGlu(s.activated(), s.gateUp()); // -> [tokens, inner]
        ops.linear(s.branch(), s.activated(), w.down(), w.downBias(), lora[3]); // -> [tokens, hidden]
    }
}
