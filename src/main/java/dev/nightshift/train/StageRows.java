package dev.nightshift.train;

import dev.nightshift.model.ModelConfig;

/**
 * Rows of a training stage. Many rows share one decoding of a weight, so a small model takes more of them; a large one fewer, so
 * that its stages stay short. The model alone decides, as sums over rows are grouped by stage.
 *
 * @param layer of one stage of a layer
 * @param head of one stage of the head
 */
public record StageRows(int layer, int head) {
    /** Of a layer's forward: some 15 ms on two cores with AVX2, its backward about twice that. */
    private static final double LAYER_OPERATIONS = 1.6e9;

    /** Of the head's forward, its backward alike: some 40 ms there. */
    private static final double HEAD_OPERATIONS = 4e9;

    /** The rows of a model. */
    public static StageRows of(ModelConfig config) {
        double attention = (double) config.heads() * config.headDim();
        double layer = 2.0 * config.hiddenSize() * (attention + 3.0 * config.intermediateSize());
        double head = 2.0 * config.hiddenSize() * config.vocabSize();
        return new StageRows(256 * layer <= LAYER_OPERATIONS ? 256 : 128, 64 * head <= HEAD_OPERATIONS ? 64 : 32);
    }
}
