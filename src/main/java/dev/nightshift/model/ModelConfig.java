package dev.nightshift.model;

import java.util.Objects;
import java.util.OptionalInt;

/**
 * What a decoder of the Llama kind looks like; families differ by these values alone.
 *
 * @param modelType {@code model_type} of the checkpoint, e.g. {@code llama}
 * @param maxPositions {@code max_position_embeddings}
 * @param slidingWindow keys a row may look back on, itself included, in layers {@code >= firstWindowLayer}
 * @param qkvBias q, k and v have a bias (Qwen2, or {@code attention_bias})
 * @param outputBias the attention's output projection has one ({@code attention_bias} of Llama)
 * @param qkNorm each q and k head is RMS-normed before the rotary embedding (Qwen3)
 */
public record ModelConfig(
        String modelType,
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int layers,
        int heads,
        int kvHeads,
        int headDim,
        float rmsNormEpsilon,
        RopeConfig rope,
        int maxPositions,
        OptionalInt slidingWindow,
        int firstWindowLayer,
        boolean qkvBias,
        boolean outputBias,
        boolean mlpBias,
        boolean qkNorm,
        boolean tiedEmbeddings) {
    public ModelConfig {
        Objects.requireNonNull(modelType, "modelType is null");
        Objects.requireNonNull(rope, "rope is null");
        Objects.requireNonNull(slidingWindow, "slidingWindow is null");
    }

    /** The window of a layer, 0 if it sees everything. */
    public int window(int layer) {
        return layer >= firstWindowLayer ? slidingWindow.orElse(0) : 0;
    }

    /** Width of the fused q, k, v projection. */
    public int qkvSize() {
        return (heads + 2 * kvHeads) * headDim;
    }
}
