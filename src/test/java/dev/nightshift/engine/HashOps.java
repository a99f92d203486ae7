package dev.nightshift.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightshift.model.KvCache;
import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.Llama;
import dev.nightshift.model.LoraSlots;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.RopeConfig;
import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.SamplingRows;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TokenScores;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.OptionalInt;

/**
 * A language model made of a hash: the next token depends on every token before it, read back through the paged cache, and
 * on the row's adapter. A wrong block, slot, position or row changes the text at once, and a step takes microseconds.
 */
final class HashOps implements TensorOps {
    static final int VOCAB = 61;
    /** Every row that sees this token has NaN logits. */
    static final int POISON = 60;

    static final int BLOCK_TOKENS = 4;
    private static final RopeConfig PLAIN = new RopeConfig(10_000, new RopeConfig.None());
    private static final int POISONED = -1;
    private static final int MASK = (1 << 20) - 1;

    /** Runs before every forward pass. */
    volatile Runnable beforeStep = () -> {};

    static ModelConfig config(RopeConfig rope) {
        return new ModelConfig(
                "hash",
                VOCAB,
                4,
                5,
                2,
                1,
                1,
                2,
                1e-6f,
                rope,
                4096,
                OptionalInt.empty(),
                0,
                false,
                false,
                false,
                false,
                false);
    }

    static EngineModel model(HashOps ops, EngineLimits limits, int blocks, int... endIds) {
        return model(ops, limits, blocks, PLAIN, endIds);
    }

    static EngineModel model(HashOps ops, EngineLimits limits, int blocks, RopeConfig rope, int... endIds) {
        return new EngineModel(llama(ops, limits, rope), cache(ops, blocks), "digest", endIds);
    }

    static KvCache cache(TensorOps ops, int blocks) {
        return KvCache.allocate(ops, config(PLAIN), BLOCK_TOKENS, blocks);
    }

    static Llama llama(TensorOps ops, EngineLimits limits) {
        return llama(ops, limits, PLAIN);
    }

    private static Llama llama(TensorOps ops, EngineLimits limits, RopeConfig rope) {
        ModelConfig config = config(rope);
        Weight embedding = dense(VOCAB, 4);
        Tensor norm = floats(4);
        LayerWeights layer = new LayerWeights(
                norm, dense(6, 4), null, null, null, dense(4, 2), null, norm, dense(10, 4), null, dense(4, 5), null);
        ModelWeights weights = new ModelWeights(config, embedding, List.of(layer, layer), norm, dense(VOCAB, 4));
        return new Llama(ops, weights, LoraSlots.allocate(ops, config, 4, 8, 8), limits.batchLimits(BLOCK_TOKENS));
    }

    private static Weight dense(int rows, int columns) {
        return new Weight.Dense(floats(rows, columns));
    }

    private static Tensor floats(long... axes) {
        Shape shape = Shape.of(axes);
        return new Tensor(Arena.ofAuto().allocate(shape.elements() * 4, 64), DType.F32, shape);
    }

    @Override
    public String name() {
        return "hash";
    }

    @Override
    public String description() {
        return "hash";
    }

    @Override
    public Tensor allocate(MemoryPart part, DType dtype, Shape shape) {
        return new Tensor(Arena.ofAuto().allocate(shape.elements() * dtype.bytes(), 64), dtype, shape);
    }

    @Override
    public long allocatedBytes(MemoryPart part) {
        return 0;
    }

    @Override
    public Weight prepare(Weight weight) {
        return weight;
    }

    @Override
    public KvLayout kvLayout(int layers, int kvHeads, int headDim, int blockTokens) {
        return new KvLayout(layers, kvHeads, headDim, blockTokens, (long) layers * blockTokens * Integer.BYTES);
    }

    @Override
    public void upload(Tensor target, Tensor source) {
        target.data().copyFrom(source.data());
    }

    @Override
    public void readback(Tensor target, Tensor source) {
        target.data().copyFrom(source.data());
    }

    private static int columns(Tensor x) {
        return (int) x.shape().axis(1);
    }

    private static float first(Tensor x, long row) {
        return x.data().getAtIndex(JAVA_FLOAT, row * columns(x));
    }

    private static void first(Tensor x, long row, float value) {
        x.data().setAtIndex(JAVA_FLOAT, row * columns(x), value);
    }

    private static void copyFirst(Tensor out, Tensor x) {
        for (long r = 0; r < out.shape().axis(0); r++) {
            first(out, r, first(x, r));
        }
    }

    @Override
    public void embed(Tensor out, Weight table, Tensor ids, LoraRows lora) {
        beforeStep.run();
        for (long r = 0; r < out.shape().axis(0); r++) {
            int id = ids.data().getAtIndex(JAVA_INT, r);
            first(out, r, id == POISON ? Float.NaN : id);
        }
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float epsilon) {
        copyFirst(out, x);
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight, float epsilon) {
        copyFirst(residual, x);
        copyFirst(out, x);
    }

    @Override
    public void linear(Tensor out, Tensor x, Weight weight, Tensor bias, LoraRows lora) {
        if (columns(out) != VOCAB) {
            for (long r = 0; r < out.shape().axis(0); r++) {
                int slot = lora.rowSlots().data().getAtIndex(JAVA_INT, r);
                float value = first(x, r);
                boolean adapted = slot >= 0 && columns(out) == 6;
                first(out, r, adapted && !Float.isNaN(value) ? ((int) value * 31 + slot + 7) & MASK : value);
            }
            return;
        }
        for (long r = 0; r < out.shape().axis(0); r++) {
            float h = first(x, r);
            for (int v = 0; v < VOCAB; v++) {
                float logit = Float.isNaN(h) ? h : (mix((int) h * 64L + v) & 0xFFFF) / 8192f;
                // The poison is never chosen by the model itself.
                out.data().setAtIndex(JAVA_FLOAT, r * VOCAB + v, v == POISON && !Float.isNaN(h) ? -100 : logit);
            }
        }
    }

    static long mix(long x) {
        long z = (x + 1) * 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 29)) * 0xBF58476D1CE4E5B9L;
        return z ^ (z >>> 32);
    }

    @Override
    public void ropeAndStore(
            Tensor qkv,
            Tensor qNorm,
            Tensor kNorm,
            float epsilon,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        for (long r = 0; r < qkv.shape().axis(0); r++) {
            int slot = rows.slots().data().getAtIndex(JAVA_INT, r);
            if (slot >= 0) {
                float value = first(qkv, r);
                kvCache.data()
                        .setAtIndex(JAVA_INT, index(layout, layer, slot), Float.isNaN(value) ? POISONED : (int) value);
            }
        }
    }

    private static long index(KvLayout layout, int layer, int slot) {
        int block = slot / layout.blockTokens();
        return block * layout.blockBytes() / 4 + (long) layer * layout.blockTokens() + slot % layout.blockTokens();
    }

    @Override
    public void attention(
            Tensor out,
            Tensor qkv,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        long width = rows.blockTables().shape().axis(1);
        for (long r = 0; r < out.shape().axis(0); r++) {
            int sequence = rows.sequences().data().getAtIndex(JAVA_INT, r);
            if (sequence < 0) {
                first(out, r, 0);
                continue;
            }
            int position = rows.positions().data().getAtIndex(JAVA_INT, r);
            int hash = 17;
            boolean poisoned = false;
            for (int p = 0; p <= position; p++) {
                int block = rows.blockTables().data().getAtIndex(JAVA_INT, sequence * width + p / layout.blockTokens());
                int slot = block * layout.blockTokens() + p % layout.blockTokens();
                int value = kvCache.data().getAtIndex(JAVA_INT, index(layout, layer, slot));
                poisoned |= value == POISONED;
                hash = hash * 31 + value;
            }
            first(out, r, poisoned ? Float.NaN : (int) mix(hash) & MASK);
        }
    }

    @Override
    public void swiGlu(Tensor out, Tensor gateUp) {
        copyFirst(out, gateUp);
    }

    @Override
    public void gatherRows(Tensor out, Tensor x, Tensor indices) {
        for (long r = 0; r < out.shape().axis(0); r++) {
            int index = indices.data().getAtIndex(JAVA_INT, r);
            first(out, r, index < 0 ? 0 : first(x, index));
        }
    }

    @Override
    public void sample(TokenScores out, Tensor logits, SamplingRows rows) {
        for (int r = 0; r < logits.shape().axis(0); r++) {
            sampleRow(out, logits, rows, r);
        }
    }

    private static void sampleRow(TokenScores out, Tensor logits, SamplingRows rows, int r) {
        float temperature = rows.temperature().data().getAtIndex(JAVA_FLOAT, r);
        long seed = rows.seeds().data().getAtIndex(JAVA_LONG, r);
        long counter = rows.counters().data().getAtIndex(JAVA_LONG, r);
        int history = rows.historySlots().data().getAtIndex(JAVA_INT, r);
        float presence = rows.presencePenalty().data().getAtIndex(JAVA_FLOAT, r);
        long biasMax = rows.biasIds().shape().axis(1);
        float[] row = new float[VOCAB];
        for (int v = 0; v < VOCAB; v++) {
            row[v] = logits.data().getAtIndex(JAVA_FLOAT, (long) r * VOCAB + v);
            if (history >= 0) {
                int seen = rows.history().data().getAtIndex(JAVA_INT, (long) history * VOCAB + v);
                row[v] -= (seen & Integer.MAX_VALUE) > 0 ? presence : 0;
            }
        }
        for (long i = 0; i < biasMax; i++) {
            int id = rows.biasIds().data().getAtIndex(JAVA_INT, r * biasMax + i);
            if (id >= 0) {
                row[id] += rows.biases().data().getAtIndex(JAVA_FLOAT, r * biasMax + i);
            }
        }
        int best = -1;
        float bestValue = Float.NEGATIVE_INFINITY;
        for (int v = 0; v < VOCAB; v++) {
            float noise = (mix(mix(seed) ^ mix(counter) + v) & 0xFFFF) / 8192f;
            float value = row[v] + temperature * noise;
            if (value > bestValue) {
                best = v;
                bestValue = value;
            }
        }
        out.ids().data().setAtIndex(JAVA_INT, r, best);
        out.logprobs().data().setAtIndex(JAVA_FLOAT, r, best < 0 ? Float.NaN : logprob(row, best));
        top(out, row, r);
        if (history >= 0 && best >= 0) {
            long at = (long) history * VOCAB + best;
            rows.history().data().setAtIndex(JAVA_INT, at, rows.history().data().getAtIndex(JAVA_INT, at) + 1);
        }
    }

    private static float logprob(float[] row, int id) {
        double sum = 0;
        for (float logit : row) {
            sum += Math.exp(logit);
        }
        return (float) (row[id] - Math.log(sum));
    }

    private static void top(TokenScores out, float[] row, int r) {
        int topMax = (int) out.topIds().shape().axis(1);
        float[] left = row.clone();
        for (int i = 0; i < topMax; i++) {
            int best = 0;
            for (int v = 1; v < VOCAB; v++) {
                best = left[v] > left[best] ? v : best;
            }
            out.topIds().data().setAtIndex(JAVA_INT, (long) r * topMax + i, best);
            out.topLogprobs().data().setAtIndex(JAVA_FLOAT, (long) r * topMax + i, logprob(row, best));
            left[best] = Float.NEGATIVE_INFINITY;
        }
    }

    @Override
    public void score(TokenScores out, Tensor logits) {
        for (int r = 0; r < logits.shape().axis(0); r++) {
            int id = out.ids().data().getAtIndex(JAVA_INT, r);
            float[] row = new float[VOCAB];
            for (int v = 0; v < VOCAB; v++) {
                row[v] = logits.data().getAtIndex(JAVA_FLOAT, (long) r * VOCAB + v);
            }
            out.logprobs().data().setAtIndex(JAVA_FLOAT, r, id < 0 ? 0 : logprob(row, id));
            top(out, row, r);
        }
    }

    @Override
    public void close() {}
}
