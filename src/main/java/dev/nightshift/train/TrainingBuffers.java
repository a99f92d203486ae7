package dev.nightshift.train;

import dev.nightshift.model.LayerActivations;
import dev.nightshift.model.LayerScratch;
import dev.nightshift.model.LoraParameter;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The memory of forward and backward, cut once per job. Every layer's input is kept; activation sets beyond the shared one
 * are kept for the upper layers, as many as the budget holds.
 */
final class TrainingBuffers {
    final Tensor[] inputs; // [layers + 1] of [capacity, hidden]
    final Tensor gradient; // [capacity, hidden]
    final LayerScratch scratch;
    final List<LayerActivations> sets = new ArrayList<>(); // the last one is shared
    final Tensor ids; // [capacity] I32
    final Tensor segmentStarts; // [capacity] I32
    final Tensor cosSin; // [capacity, headDim]
    final Tensor headIndices; // [capacity] I32
    final Tensor headTargets; // [capacity] I32
    final Tensor headWeights; // [capacity]
    final Tensor losses; // [capacity]
    final Tensor bestIds; // [capacity, 1] I32
    final Tensor bestLogprobs; // [capacity, 1]
    final Tensor scoreLogprobs; // [capacity]
    final Tensor gathered; // [headRows, hidden]
    final Tensor headNormed; // [headRows, hidden]
    final Tensor dGathered; // [headRows, hidden]
    final Tensor logits; // [headRows, vocab]

    TrainingBuffers(ModelConfig config, TrainerSettings settings, List<LoraParameter> parameters, TrainingArena arena) {
        int capacity = settings.capacityTokens();
        int hidden = config.hiddenSize();
        inputs = new Tensor[config.layers() + 1];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = arena.take(DType.F32, capacity, hidden);
        }
        gradient = arena.take(DType.F32, capacity, hidden);
        ids = arena.take(DType.I32, capacity);
        segmentStarts = arena.take(DType.I32, capacity);
        cosSin = arena.take(DType.F32, capacity, config.headDim());
        headIndices = arena.take(DType.I32, capacity);
        headTargets = arena.take(DType.I32, capacity);
        headWeights = arena.take(DType.F32, capacity);
        losses = arena.take(DType.F32, capacity);
        bestIds = arena.take(DType.I32, capacity, 1);
        bestLogprobs = arena.take(DType.F32, capacity, 1);
        scoreLogprobs = arena.take(DType.F32, capacity);
        int headRows = settings.headRows();
        gathered = arena.take(DType.F32, headRows, hidden);
        headNormed = arena.take(DType.F32, headRows, hidden);
        dGathered = arena.take(DType.F32, headRows, hidden);
        logits = arena.take(DType.F32, headRows, config.vocabSize());
        int[] ranks = ranks(parameters);
        int rankMax = 1;
        for (int rank : ranks) {
            rankMax = Math.max(rankMax, rank);
        }
        scratch = scratch(config, settings, rankMax, arena);
        int kept = kept(config, settings, ranks);
        for (int i = 0; i <= kept; i++) {
            sets.add(activations(config, capacity, ranks, arena));
        }
    }

    /** Bytes that the constructor takes from its arena. */
    static long bytes(ModelConfig config, TrainerSettings settings, AdapterShape shape) {
        int capacity = settings.capacityTokens();
        int hidden = config.hiddenSize();
        int[] ranks = ranks(shape);
        long bytes = (config.layers() + 2L) * TrainingArena.size(DType.F32, capacity, hidden);
        bytes +=
                8 * TrainingArena.size(DType.F32, capacity) + TrainingArena.size(DType.F32, capacity, config.headDim());
        bytes += 3 * TrainingArena.size(DType.F32, settings.headRows(), hidden);
        bytes += TrainingArena.size(DType.F32, settings.headRows(), config.vocabSize());
        int chunk = Math.min(settings.chunkRows(), capacity);
        bytes += 3 * TrainingArena.size(DType.F32, chunk, hidden);
        bytes += 4 * TrainingArena.size(DType.F32, chunk, config.intermediateSize());
        bytes += TrainingArena.size(DType.F32, chunk, shape.rank());
        bytes += TrainingArena.size(DType.F32, capacity, config.heads() * config.headDim());
        bytes += TrainingArena.size(DType.F32, capacity, config.qkvSize());
        return bytes + keptLayers(config, settings, shape) * setBytes(config, capacity, ranks) + 4096;
    }

    /** Layers whose activations stay until the backward pass needs them: the top one, and what the budget holds of the others. */
    static int keptLayers(ModelConfig config, TrainerSettings settings, AdapterShape shape) {
        return kept(config, settings, ranks(shape)) + 1;
    }

    private static int kept(ModelConfig config, TrainerSettings settings, int[] ranks) {
        long set = setBytes(config, settings.capacityTokens(), ranks);
        return (int) Math.clamp(settings.activationBytesMax() / set, 0, config.layers() - 1L);
    }

    private static int[] ranks(AdapterShape shape) {
        int[] ranks = new int[LoraTargets.PER_LAYER];
        for (int projection : shape.projections()) {
            ranks[projection] = shape.rank();
        }
        return ranks;
    }

    private static LayerScratch scratch(
            ModelConfig config, TrainerSettings settings, int rankMax, TrainingArena arena) {
        int chunk = Math.min(settings.chunkRows(), settings.capacityTokens());
        int capacity = settings.capacityTokens();
        int hidden = config.hiddenSize();
        int inner = config.intermediateSize();
        return new LayerScratch(
                arena.take(DType.F32, chunk, hidden),
                arena.take(DType.F32, chunk, hidden),
                arena.take(DType.F32, chunk, inner),
                arena.take(DType.F32, chunk, inner),
                arena.take(DType.F32, chunk, 2L * inner),
                arena.take(DType.F32, chunk, hidden),
                arena.take(DType.F32, chunk, rankMax),
                arena.take(DType.F32, capacity, (long) config.heads() * config.headDim()),
                arena.take(DType.F32, capacity, config.qkvSize()));
    }

    private static int[] ranks(List<LoraParameter> parameters) {
        int[] ranks = new int[LoraTargets.PER_LAYER];
        for (LoraParameter parameter : parameters) {
            int projection = parameter.target() % LoraTargets.PER_LAYER;
            ranks[projection] = Math.max(ranks[projection], parameter.rank());
        }
        return ranks;
    }

    private static long setBytes(ModelConfig config, int capacity, int[] ranks) {
        long bytes = (config.qkNorm() ? 2 : 1) * TrainingArena.size(DType.F32, capacity, config.qkvSize());
        bytes += TrainingArena.size(DType.F32, capacity, (long) config.heads() * config.headDim());
        bytes += TrainingArena.size(DType.F32, capacity, config.heads());
        bytes += TrainingArena.size(DType.F32, capacity, config.hiddenSize());
        bytes += TrainingArena.size(DType.F32, capacity, 2L * config.intermediateSize());
        for (int rank : ranks) {
            bytes += rank == 0 ? 0 : TrainingArena.size(DType.F32, capacity, rank);
        }
        return bytes;
    }

    private static LayerActivations activations(ModelConfig config, int capacity, int[] ranks, TrainingArena arena) {
        Tensor qkv = arena.take(DType.F32, capacity, config.qkvSize());
        Tensor qkvInput = config.qkNorm() ? arena.take(DType.F32, capacity, config.qkvSize()) : qkv;
        Tensor[] low = new Tensor[ranks.length];
        for (int i = 0; i < low.length; i++) {
            low[i] = ranks[i] == 0 ? null : arena.take(DType.F32, capacity, ranks[i]);
        }
        return new LayerActivations(
                qkvInput,
                qkv,
                arena.take(DType.F32, capacity, (long) config.heads() * config.headDim()),
                arena.take(DType.F32, capacity, config.heads()),
                arena.take(DType.F32, capacity, config.hiddenSize()),
                arena.take(DType.F32, capacity, 2L * config.intermediateSize()),
                low);
    }
}
