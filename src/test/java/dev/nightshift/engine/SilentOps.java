package dev.nightshift.engine;

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

/** Computes nothing, so that what remains is the engine's own cost: every token is token 0. */
final class SilentOps implements TensorOps {
    @Override
    public String name() {
        return "silent";
    }

    @Override
    public String description() {
        return "silent";
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
        return new KvLayout(layers, kvHeads, headDim, blockTokens, 4);
    }

    @Override
    public void upload(Tensor target, Tensor source) {}

    @Override
    public void readback(Tensor target, Tensor source) {}

    @Override
    public void embed(Tensor out, Weight table, Tensor ids, LoraRows lora) {}

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float epsilon) {}

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight, float epsilon) {}

    @Override
    public void linear(Tensor out, Tensor x, Weight weight, Tensor bias, LoraRows lora) {}

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
            int layer) {}

    @Override
    public void attention(
            Tensor out,
            Tensor qkv,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {}

    @Override
    public void swiGlu(Tensor out, Tensor gateUp) {}

    @Override
    public void gatherRows(Tensor out, Tensor x, Tensor indices) {}

    @Override
    public void sample(TokenScores out, Tensor logits, SamplingRows rows) {}

    @Override
    public void score(TokenScores out, Tensor logits) {}

    @Override
    public void close() {}
}
