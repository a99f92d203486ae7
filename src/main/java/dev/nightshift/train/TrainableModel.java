package dev.nightshift.train;

import dev.nightshift.model.KvCache;
import dev.nightshift.model.LoraParameter;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import java.util.List;

/**
 * The resident model as training sees it: frozen weights, and the key-value cache whose blocks are lent as the arena.
 *
 * @param name of the base model in the API
 * @param digest of its weights
 */
public record TrainableModel(
        TensorOps ops, ModelWeights weights, KvCache kv, RotaryTable rotary, String name, String digest) {

    public ModelConfig config() {
        return weights.config();
    }

    /** Numbers of all weights, embeddings included. */
    public long parameterCount() {
        ModelConfig config = config();
        long perLayer = 0;
        for (int projection = 0; projection < LoraTargets.PER_LAYER; projection++) {
            perLayer += (long) AdapterShape.inputs(config, projection) * AdapterShape.outputs(config, projection);
        }
        long embeddings = (long) config.vocabSize() * config.hiddenSize() * (config.tiedEmbeddings() ? 1 : 2);
        return embeddings + config.layers() * perLayer;
    }

    /** What a new adapter starts from. */
    public TrainingState fresh(AdapterShape shape, long seed) {
        return new TrainingState(AdapterParameters.fresh(config(), shape, seed), List.of());
    }

    public long blockBytes() {
        return kv.layout().blockBytes();
    }

    /** Blocks of the cache, lent or not. */
    public int blockCount() {
        return kv.blockCount();
    }

    /** Blocks that an arena of {@code bytes} takes. */
    public int blocksFor(long bytes) {
        return Math.toIntExact(Math.ceilDiv(bytes, blockBytes()));
    }

    /** A trainer in lent blocks, exactly where the state was taken. Engine thread. */
    public LoraTrainer open(int firstBlock, int blocks, TrainerSettings settings, TrainingState state) {
        Tensor lent = kv.blocks().rows(firstBlock, firstBlock + blocks);
        TrainingArena arena = new TrainingArena(new Tensor(lent.data(), DType.U8, Shape.of(lent.bytes())));
        List<LoraParameter> parameters = AdapterParameters.upload(ops, arena, state.factors());
        LoraTrainer trainer = new LoraTrainer(ops, weights, settings, parameters, rotary, arena);
        if (!state.optimizer().isEmpty()) {
            trainer.restoreOptimizer(state.optimizer());
        }
        return trainer;
    }

    /** Copies everything that the next step depends on to the host; between two steps only. Engine thread. */
    public TrainingState snapshot(LoraTrainer trainer) {
        return new TrainingState(AdapterParameters.download(ops, trainer.parameters()), trainer.optimizerState());
    }
}
