package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;

/**
 * Where {@link Llama#prepare} takes weights from, one after the other, so that a checkpoint and its prepared form are never
 * both in memory whole. Tensors are host memory and need to live only until the next call.
 */
public interface WeightSource {
    ModelConfig config();

    /** [vocab, hidden] */
    Weight embedding();

    LayerWeights layer(int index);

    /** [hidden] F32 */
    Tensor finalNorm();

    /** [vocab, hidden]; not called where {@link ModelConfig#tiedEmbeddings} */
    Weight head();

    /** All weights at hand already. */
    static WeightSource of(ModelWeights weights) {
        return new WeightSource() {
            @Override
            public ModelConfig config() {
                return weights.config();
            }

            @Override
            public Weight embedding() {
                return weights.embedding();
            }

            @Override
            public LayerWeights layer(int index) {
                return weights.layers().get(index);
            }

            @Override
            public Tensor finalNorm() {
                return weights.finalNorm();
            }

            @Override
            public Weight head() {
                return weights.head();
            }
        };
    }
}
