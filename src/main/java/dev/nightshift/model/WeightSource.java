package dev.nightshift.model;

import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;

/**
 * Where {@link Llama#prepare} takes weights from, one piece after the other, so that a checkpoint and its prepared form are
 * never both in memory whole. A piece is a view of what the source holds already, or lies in the arena of the call, which must
 * be accessible from all threads ({@link Arena#ofShared}). Data may be unaligned.
 */
public interface WeightSource {
    /** Sizes and flags of the model whose weights these are. */
    ModelConfig config();

    /** [vocab, hidden], 16 or 32 bit. */
    Weight embedding(Arena arena);

    /** All weights of one layer. */
    LayerWeights layer(int index, Arena arena);

    /** [hidden] F32. */
    Tensor finalNorm(Arena arena);

    /** [vocab, hidden]; {@code embedding} itself where they are tied. */
    Weight head(Weight embedding, Arena arena);
}
