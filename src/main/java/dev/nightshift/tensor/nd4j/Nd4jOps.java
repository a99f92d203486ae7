package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Operands;
import dev.nightshift.tensor.SamplingRows;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TokenScores;
import dev.nightshift.tensor.Weight;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.ops.transforms.Transforms;

/** Every operation as its formula; opened by {@link Nd4jBackend}. Operations are done when they return. */
final class Nd4jOps implements TensorOps {
    private final HostMemory memory;

    Nd4jOps(long memoryBudgetBytes) {
        this.memory = new HostMemory(memoryBudgetBytes);
    }

    @Override
    public String name() {
        return Nd4jBackend.NAME;
    }

    @Override
    public String description() {
        return "ND4J %s, %s"
                .formatted(Nd4jBackend.VERSION, Nd4j.getBackend().getClass().getSimpleName());
    }

    @Override
    public Tensor allocate(MemoryPart part, DType dtype, Shape shape) {
        return memory.allocate(part, dtype, shape);
    }

    @Override
    public long allocatedBytes(MemoryPart part) {
        return memory.booked(part);
    }

    @Override
    public Weight prepare(Weight weight) {
        return Nd4jWeight.of(weight, memory);
    }

    @Override
    public KvLayout kvLayout(int layers, int kvHeads, int headDim, int blockTokens) {
        return Attention.layout(layers, kvHeads, headDim, blockTokens);
    }

    @Override
    public void upload(Tensor target, Tensor source) {
        Operands.transfer(target, source);
        target.data().copyFrom(source.data());
    }

    @Override
    public void readback(Tensor target, Tensor source) {
        Operands.transfer(target, source);
        target.data().copyFrom(source.data());
    }

    @Override
    public void embed(Tensor out, Weight table, Tensor ids, LoraRows lora) {
        Operands.embed(out, table, ids, lora);
        Weight matrix = Nd4jWeight.prepared(table).parts().getFirst();
        int hidden = table.columns();
        int[] tokens = HostArrays.ints(ids);
        int[] slots = lora == null ? null : HostArrays.ints(lora.rowSlots());
        for (int row = 0; row < tokens.length; row++) {
            int id = tokens[row];
            if (id < 0) {
                HostArrays.store(out, (long) row * hidden, new float[hidden]);
                continue;
            }
            LoraEntry entry =
                    lora == null || slots[row] < 0 ? null : LoraEntry.of(lora.table(), slots[row], lora.firstTarget());
            INDArray values = entry != null && entry.replaces()
                    ? entry.replacement(id, id + 1, hidden)
                    : Nd4jWeight.rows(matrix, id, id + 1);
            HostArrays.store(out, (long) row * hidden, HostArrays.values(values));
        }
    }

    /** {@code x / sqrt(mean(x^2) + epsilon) * weight}, row by row: [rows, size]. */
    static INDArray normed(INDArray x, INDArray weight, float epsilon) {
        INDArray rms = Transforms.sqrt(x.mul(x).mean(true, 1).addi(epsilon), false); // [rows, 1]
        return x.divColumnVector(rms).muliRowVector(weight);
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float epsilon) {
        Operands.rmsNorm(out, x, weight);
        HostArrays.store(out, normed(HostArrays.array(x), HostArrays.array(weight), epsilon));
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight, float epsilon) {
        Operands.addRmsNorm(out, residual, x, weight);
        INDArray sum = HostArrays.array(residual).addi(HostArrays.array(x));
        HostArrays.store(residual, sum);
        HostArrays.store(out, normed(sum, HostArrays.array(weight), epsilon));
    }

    @Override
    public void linear(Tensor out, Tensor x, Weight weight, Tensor bias, LoraRows lora) {
        Nd4jWeight prepared = Nd4jWeight.prepared(weight);
        Operands.linear(out, x, weight, prepared.parts().size(), bias, lora);
        Linear.run(out, x, prepared, bias, lora);
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
        Operands.ropeAndStore(qkv, qNorm, kNorm, rows, shape, kvCache, layout, layer);
        Attention.rope(qkv, qNorm, kNorm, epsilon, rows, shape);
        Attention.store(qkv, rows, shape, kvCache, layout, layer);
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
        Operands.attention(out, qkv, rows, shape, kvCache, layout, layer);
        Attention.attend(out, qkv, rows, shape, kvCache, layout, layer);
    }

    @Override
    public void swiGlu(Tensor out, Tensor gateUp) {
        Operands.swiGlu(out, gateUp);
        long inner = out.shape().axis(1);
        INDArray both = HostArrays.array(gateUp);
        INDArray gate =
                both.get(NDArrayIndex.all(), NDArrayIndex.interval(0, inner)).dup('c');
        INDArray up = both.get(NDArrayIndex.all(), NDArrayIndex.interval(inner, 2 * inner))
                .dup('c');
        HostArrays.store(out, Transforms.sigmoid(gate, true).muli(gate).muli(up));
    }

    @Override
    public void gatherRows(Tensor out, Tensor x, Tensor indices) {
        Operands.gatherRows(out, x, indices);
        int[] rows = HostArrays.ints(indices);
        for (int i = 0; i < rows.length; i++) {
            if (rows[i] < 0) {
                out.rows(i, i + 1).data().fill((byte) 0);
            } else {
                out.rows(i, i + 1).data().copyFrom(x.rows(rows[i], rows[i] + 1L).data());
            }
        }
    }

    @Override
    public void sample(TokenScores out, Tensor logits, SamplingRows rows) {
        Operands.sample(out, logits, rows);
        Sampling.sample(out, logits, rows);
    }

    @Override
    public void score(TokenScores out, Tensor logits) {
        Operands.score(out, logits);
        Sampling.score(out, logits);
    }

    @Override
    public void close() {
        memory.close();
    }
}
