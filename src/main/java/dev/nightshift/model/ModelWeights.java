package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.util.List;

/**
 * All weights of a model, either as a checkpoint holds them or as a backend prepared them.
 *
 * @param embedding [vocab, hidden]
 * @param finalNorm [hidden] F32
 * @param head [vocab, hidden]; the same object as {@code embedding} where they are tied
 */
public record ModelWeights(
        ModelConfig config, Weight embedding, List<LayerWeights> layers, Tensor finalNorm, Weight head) {
    public ModelWeights {
        layers = List.copyOf(layers);
        if (layers.size() != config.layers()) {
            throw new IllegalStateException("%d layers of %d".formatted(layers.size(), config.layers()));
        }
    }
}
