package dev.nightshift.tensor;

/**
 * What is constant in a model's attention.
 *
 * @param window keys a row may look back on, itself included; 0 = all
 * @param scale factor on q k, usually 1 / sqrt(headDim)
 */
public record AttentionShape(int heads, int kvHeads, int headDim, int window, float scale) {
    public AttentionShape {
        if (heads <= 0 || kvHeads <= 0 || heads % kvHeads != 0 || headDim <= 0 || headDim % 2 != 0) {
            throw new IllegalStateException("%d heads, %d kv heads, head size %d".formatted(heads, kvHeads, headDim));
        }
    }
}
