package dev.nightshift.checkpoint;

import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.WeightSource;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * The weights of a checkpoint, piece by piece. What is stored in the form in which it is used is a view of the mapped file, valid
 * until the checkpoint is closed; what has to be made (quantised, converted, drawn) lies in the arena of the call. Everything was
 * checked at opening, but for NaN in 16-bit linears, which is found when they are quantised.
 */
public interface CheckpointWeights extends WeightSource {

    /** All of it at once. */
    default ModelWeights all(Arena arena, LoadProgress progress) {
        int count = config().layers();
        Weight embedding = embedding(arena);
        List<LayerWeights> layers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            progress.report("layers", i, count);
            layers.add(layer(i, arena));
        }
        ModelWeights weights = new ModelWeights(config(), embedding, layers, finalNorm(arena), head(embedding, arena));
        progress.report("layers", count, count);
        return weights;
    }
}
