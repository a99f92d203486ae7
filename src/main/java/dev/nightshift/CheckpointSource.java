package dev.nightshift;

import dev.nightshift.checkpoint.CheckpointWeights;
import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.WeightSource;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;

/** A checkpoint's weights one at a time: what was made for one is given back when the next is asked for. */
final class CheckpointSource implements WeightSource {
    private final CheckpointWeights weights;
    private Arena arena = Arena.ofShared();

    CheckpointSource(CheckpointWeights weights) {
        this.weights = weights;
    }

    private Arena fresh() {
        arena.close();
        arena = Arena.ofShared();
        return arena;
    }

    @Override
    public ModelConfig config() {
        return weights.config();
    }

    @Override
    public Weight embedding() {
        return weights.embedding(fresh());
    }

    @Override
    public LayerWeights layer(int index) {
        return weights.layer(index, fresh());
    }

    @Override
    public Tensor finalNorm() {
        return weights.finalNorm(fresh());
    }

    @Override
    public Weight head() {
        if (config().tiedEmbeddings()) {
            throw new IllegalStateException("a tied head is the embedding");
        }
        return weights.head(null, fresh());
    }
}
