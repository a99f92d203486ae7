package dev.nightshift.model;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.LoraTable;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.cpu.VectorOps;
import dev.nightshift.tensor.nd4j.Nd4jBackend;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.BiFunction;

/** A model from disk on a backend, for tests. */
public final class OpenModel implements AutoCloseable {
    public static final int BLOCK_TOKENS = 16;
    private static final long BUDGET_BYTES = 1L << 31;

    private final TensorOps ops;
    private final Checkpoint checkpoint;
    private final Llama llama;
    private final KvCache kv;

    private OpenModel(
            TensorOps ops, Checkpoint checkpoint, LoraTable lora, BatchLimits limits, int blocks, boolean roundRope) {
        this.ops = ops;
        this.checkpoint = checkpoint;
        ModelWeights weights = Llama.prepare(ops, checkpoint.weights(), done -> {});
        ModelConfig config = weights.config();
        float[] inverse = RopeTable.inverseFrequencies(config.rope(), config.headDim());
        for (int i = 0; i < inverse.length && roundRope; i++) {
            inverse[i] = BFloat16.toFloat(BFloat16.fromFloat(inverse[i]));
        }
        RopeTable rope = new RopeTable(config.rope(), config.headDim(), inverse);
        this.llama = new Llama(ops, weights, lora, limits, rope);
        this.kv = KvCache.allocate(ops, weights.config(), BLOCK_TOKENS, blocks);
    }

    /** Opens a folder on a backend: {@code nd4j} or {@code cpu}. */
    public static OpenModel open(String backend, Path folder, BatchLimits limits, int blocks) {
        return open(backend, folder, limits, blocks, false);
    }

    /**
     * A model of {@code golden/models}: its maker converted the whole model to bfloat16 before it took logits, the rotary
     * frequencies too, which transformers keeps in float32 when it loads a checkpoint. They are rounded here alike, so that
     * the tolerance can stay what float32 needs.
     */
    public static OpenModel openFamily(String backend, Path folder, BatchLimits limits, int blocks) {
        return open(backend, folder, limits, blocks, true);
    }

    /** The same with a choice of what its 16-bit linears become. */
    public static OpenModel openFamily(
            String backend, Path folder, Quantisation quantisation, BatchLimits limits, int blocks) {
        LoadOptions options = LoadOptions.defaults().withQuantisation(quantisation);
        Checkpoint checkpoint = Checkpoint.open(new ModelSource.Folder(folder), options, LoadProgress.SILENT);
        return new OpenModel(backend(backend), checkpoint, null, limits, blocks, true);
    }

    private static OpenModel open(String backend, Path folder, BatchLimits limits, int blocks, boolean roundRope) {
        return open(backend, new ModelSource.Folder(folder), limits, blocks, roundRope);
    }

    /** Opens any source of weights on a backend. */
    public static OpenModel open(
            String backend, ModelSource source, BatchLimits limits, int blocks, boolean roundRope) {
        TensorOps ops = backend(backend);
        Checkpoint checkpoint = Checkpoint.open(source, LoadOptions.defaults(), LoadProgress.SILENT);
        return new OpenModel(ops, checkpoint, null, limits, blocks, roundRope);
    }

    /** A folder as it is served, with a choice of what its 16-bit linears become. */
    public static OpenModel open(
            String backend, Path folder, Quantisation quantisation, BatchLimits limits, int blocks) {
        LoadOptions options = LoadOptions.defaults().withQuantisation(quantisation);
        Checkpoint checkpoint = Checkpoint.open(new ModelSource.Folder(folder), options, LoadProgress.SILENT);
        return new OpenModel(backend(backend), checkpoint, null, limits, blocks, false);
    }

    /** As {@link #openFamily}, with adapter slots that the caller makes. */
    public static OpenModel openFamily(
            String backend,
            Path folder,
            BatchLimits limits,
            int blocks,
            BiFunction<TensorOps, ModelConfig, LoraTable> slots) {
        return openFamily(backend, folder, LoadOptions.defaults().quantisation(), limits, blocks, slots);
    }

    /** The same with a choice of what its 16-bit linears become. */
    public static OpenModel openFamily(
            String backend,
            Path folder,
            Quantisation quantisation,
            BatchLimits limits,
            int blocks,
            BiFunction<TensorOps, ModelConfig, LoraTable> slots) {
        TensorOps ops = backend(backend);
        ModelSource source = new ModelSource.Folder(folder);
        LoadOptions options = LoadOptions.defaults().withQuantisation(quantisation);
        Checkpoint checkpoint = Checkpoint.open(source, options, LoadProgress.SILENT);
        return new OpenModel(ops, checkpoint, slots.apply(ops, checkpoint.config()), limits, blocks, true);
    }

    public static TensorOps backend(String name) {
        return switch (name) {
            case "nd4j" -> Nd4jBackend.open(BUDGET_BYTES);
            case "cpu" -> new VectorOps(BUDGET_BYTES, 2);
            default -> throw new IllegalStateException(name);
        };
    }

    public TensorOps ops() {
        return ops;
    }

    public Checkpoint checkpoint() {
        return checkpoint;
    }

    public Llama llama() {
        return llama;
    }

    public KvCache kv() {
        return kv;
    }

    /** Logits [ids.length, vocab] of a text that starts at position 0 and uses the cache's first blocks. */
    public float[] logits(int[] ids) {
        return logits(ids, -1);
    }

    /** Logits [texts * ids.length, vocab] of the same text once for each of these adapter slots, all in one step. */
    public float[] logits(int[] ids, int... adapters) {
        int rows = ids.length * adapters.length;
        TokenBatch batch = llama.batch(rows, adapters.length, rows);
        batch.clear();
        int count = Math.ceilDiv(ids.length, BLOCK_TOKENS);
        for (int text = 0; text < adapters.length; text++) {
            int[] blocks = new int[count];
            int first = text * count;
            Arrays.setAll(blocks, i -> first + i);
            batch.blocks(text, blocks, count);
            for (int i = 0; i < ids.length; i++) {
                int row = text * ids.length + i;
                batch.row(row, ids[i], i, text, first * BLOCK_TOKENS + i, adapters[text], ids.length);
                batch.logitRow(row, row, adapters[text]);
            }
        }
        Tensor logits = llama.forward(batch, kv).rows(0, rows);
        Tensor host = new Tensor(Arena.ofAuto().allocate(logits.bytes(), 64), DType.F32, logits.shape());
        ops.readback(host, logits);
        return host.data().toArray(ValueLayout.JAVA_FLOAT);
    }

    /** Logits [vocab] after the last token of a text, in chunks of the largest step. */
    public float[] lastLogits(int[] ids) {
        int chunk = llama.limits().rows();
        Tensor logits = null;
        for (int start = 0; start < ids.length; start += chunk) {
            int end = Math.min(ids.length, start + chunk);
            TokenBatch batch = llama.batch(end - start, 1, 1);
            batch.clear();
            int[] blocks = new int[Math.ceilDiv(end, BLOCK_TOKENS)];
            Arrays.setAll(blocks, i -> i);
            batch.blocks(0, blocks, blocks.length);
            for (int i = start; i < end; i++) {
                batch.row(i - start, ids[i], i, 0, i, -1, ids.length);
            }
            batch.logitRow(0, end - start - 1, -1);
            logits = llama.forward(batch, kv);
        }
        Tensor host = new Tensor(Arena.ofAuto().allocate(logits.bytes(), 64), DType.F32, logits.shape());
        ops.readback(host, logits);
        return host.data().toArray(ValueLayout.JAVA_FLOAT);
    }

    @Override
    public void close() {
        ops.close();
        checkpoint.close();
    }
}
