package dev.nightshift.model;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * A decoder of the Llama kind on one backend. All memory is taken in the constructor; a step only enqueues operations on the
 * tensors of its bucket.
 */
public final class Llama {
    private final TensorOps ops;
    private final ModelConfig config;
    private final BatchLimits limits;
    private final Weight embedding;
    private final Weight head;
    private final Tensor finalNorm;
    private final List<LlamaLayer> layers;
    private final LoraTable lora;
    private final RopeTable rope;
    private final Workspace workspace;
    private final Staging staging;
    private final TokenBatch[][][] batches;

    /**
     * @param weights prepared by {@link #prepare}
     * @param lora the adapter slots, or null for a model without any
     */
    public Llama(TensorOps ops, ModelWeights weights, LoraTable lora, BatchLimits limits) {
        this(
                ops,
                weights,
                lora,
                limits,
                new RopeTable(weights.config().rope(), weights.config().headDim()));
    }

    Llama(TensorOps ops, ModelWeights weights, LoraTable lora, BatchLimits limits, RopeTable rope) {
        this.ops = ops;
        this.config = weights.config();
        this.limits = limits;
        this.embedding = weights.embedding();
        this.head = weights.head();
        this.finalNorm = weights.finalNorm();
        this.lora = lora;
        this.rope = rope;
        this.layers = new ArrayList<>(config.layers());
        for (int i = 0; i < config.layers(); i++) {
            layers.add(new LlamaLayer(config, i, weights.layers().get(i)));
        }
        this.workspace = Workspace.allocate(ops, config, limits, lora == null ? 0 : lora.rankMax());
        this.staging = new Staging(ops, TokenBatch.bytesMax(config, limits));
        this.batches = new TokenBatch[Buckets.count(limits.rows())][Buckets.count(limits.sequences())]
                [Buckets.count(limits.logitRows())];
    }

    /**
     * A checkpoint's weights in the backend's layout, taken piece by piece.
     *
     * @param progress told the number of layers done
     */
    public static ModelWeights prepare(TensorOps ops, WeightSource source, IntConsumer progress) {
        ModelConfig config = source.config();
        List<LayerWeights> layers = new ArrayList<>(config.layers());
        for (int i = 0; i < config.layers(); i++) {
            try (Arena arena = Arena.ofShared()) {
                layers.add(prepare(ops, source.layer(i, arena)));
            }
            progress.accept(i + 1);
        }
        try (Arena arena = Arena.ofShared()) {
            Tensor finalNorm = resident(ops, source.finalNorm(arena));
            Weight embedding = source.embedding(arena);
            Weight table = ops.prepare(embedding);
            Weight head = config.tiedEmbeddings() ? table : ops.prepare(source.head(embedding, arena));
            return new ModelWeights(config, table, layers, finalNorm, head);
        }
    }

    private static LayerWeights prepare(TensorOps ops, LayerWeights w) {
        return new LayerWeights(
                resident(ops, w.inputNorm()),
                ops.prepare(w.qkv()),
                resident(ops, w.qkvBias()),
                resident(ops, w.qNorm()),
                resident(ops, w.kNorm()),
                ops.prepare(w.output()),
                resident(ops, w.outputBias()),
                resident(ops, w.postNorm()),
                ops.prepare(w.gateUp()),
                resident(ops, w.gateUpBias()),
                ops.prepare(w.down()),
                resident(ops, w.downBias()));
    }

    private static Tensor resident(TensorOps ops, Tensor host) {
        if (host == null) {
            return null;
        }
        if (host.dtype() != DType.F32) {
            throw new IllegalStateException("norms and biases are F32, got " + host.dtype());
        }
        Tensor device = ops.allocate(MemoryPart.WEIGHTS, DType.F32, host.shape());
        ops.upload(device, host);
        return device;
    }

    public ModelConfig config() {
        return config;
    }

    public BatchLimits limits() {
        return limits;
    }

    /** Whether a prompt of this length may share cached blocks with others. */
    public boolean sharesPrefix(int promptTokens) {
        return rope.sharesPrefix(promptTokens);
    }

    /** The fixed tensors of the smallest bucket that holds so many; planned at its first use. */
    public TokenBatch batch(int rows, int sequences, int logitRows) {
        int r = Buckets.index(rows);
        int s = Buckets.index(sequences);
        int l = Buckets.index(logitRows);
        TokenBatch batch = batches[r][s][l];
        if (batch == null) {
            batch = new TokenBatch(
                    config,
                    limits,
                    rope,
                    lora,
                    staging,
                    workspace,
                    Buckets.size(rows),
                    Buckets.size(sequences),
                    Buckets.size(logitRows));
            batches[r][s][l] = batch;
        }
        return batch;
    }

    /** Runs the batch's rows through the model, extends the cache by them, and returns the logits of the rows picked. */
    public Tensor forward(TokenBatch batch, KvCache kv) {
        Workspace s = batch.workspace;
        batch.plan.upload(ops);
        ops.embed(s.residual(), embedding, batch.ids(), batch.embeddingLora); // [tokens] -> [tokens, hidden]
        for (LlamaLayer layer : layers) {
            layer.forward(ops, batch, kv);
        }
        if (batch.logitRows() > 0) {
            ops.addRmsNorm(s.normed(), s.residual(), s.branch(), finalNorm, config.rmsNormEpsilon());
            ops.gatherRows(s.picked(), s.normed(), batch.logitIndices()); // [tokens, hidden] -> [logitRows, hidden]
            ops.linear(s.logits(), s.picked(), head, null, batch.headLora); // -> [logitRows, vocab]
        }
        return s.logits();
    }
}
