package dev.nightshift.tensor.cpu;

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
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.Weight;

/** The CPU backend. Operations run when they are called, on all threads, and are done when they return. */
public final class VectorOps implements TensorOps {
    private final Kernels kernels;
    private final HostMemory memory;
    private final Workers workers;
    private final Scratch scratch;
    private final TilePacker packer;
    private final Linear linear;
    private final Rows rows;
    private final Attention attention;
    private final Sampling sampling;
    private final VectorTraining training;
    private boolean closed;

    /** At this machine's preferred vector width. */
    public VectorOps(long budgetBytes, int threads, CpuKernels kernels) {
        this(budgetBytes, threads, Lanes.preferredBits(), kernels);
    }

    public VectorOps(long budgetBytes, int threads) {
        this(budgetBytes, threads, CpuKernels.AUTO);
    }

    /** @param bits vector width: 128, 256 or 512 */
    VectorOps(long budgetBytes, int threads, int bits, CpuKernels wanted) {
        this.kernels = Kernels.of(bits, wanted);
        memory = new HostMemory(budgetBytes);
        workers = new Workers(threads);
        RowLanes rowLanes = kernels.rows();
        int tileRows = Linear.tileRows(bits);
        scratch = new Scratch(threads);
        Upcoming upcoming = new Upcoming(threads);
        packer = new TilePacker(memory, workers, kernels);
        linear = new Linear(workers, kernels, new Adapters(workers, rowLanes, tileRows), scratch, upcoming);
        rows = new Rows(workers, rowLanes);
        attention = new Attention(workers, kernels.attention(), rowLanes, upcoming);
        sampling = new Sampling(workers, rowLanes);
        training = new VectorTraining(workers, kernels);
    }

    /**
     * Runs every kernel on small made-up tensors until the compiler has seen enough of it, a second or two, so that the first
     * request is not interpreted. Needs no opened backend and may run beside one, while a model loads.
     */
    public static void warmUp() {
        try (VectorOps ops = new VectorOps(WarmUp.BYTES, 1)) {
            new WarmUp(ops).run();
        }
    }

    @Override
    public String name() {
        return "cpu";
    }

    @Override
    public String description() {
        return "%s, %d bits, %d thread%s"
                .formatted(
                        kernels.machineCode() ? "machine code and Vector API" : "Vector API",
                        kernels.bits(),
                        workers.threads(),
                        workers.threads() == 1 ? "" : "s");
    }

    @Override
    public Tensor allocate(MemoryPart part, DType dtype, Shape shape) {
        checkOpen();
        return memory.allocate(part, dtype, shape);
    }

    @Override
    public long allocatedBytes(MemoryPart part) {
        return memory.bookedBytes(part);
    }

    @Override
    public Weight prepare(Weight weight) {
        checkOpen();
        return weight instanceof PreparedWeight ? weight : packer.pack(weight);
    }

    @Override
    public KvLayout kvLayout(int layers, int kvHeads, int headDim, int blockTokens) {
        return KvBlocks.layout(layers, kvHeads, headDim, blockTokens);
    }

    @Override
    public void upload(Tensor target, Tensor source) {
        copy(target, source);
    }

    @Override
    public void readback(Tensor target, Tensor source) {
        copy(target, source);
    }

    private void copy(Tensor target, Tensor source) {
        checkOpen();
        if (target.dtype() != source.dtype() || !target.shape().equals(source.shape())) {
            throw new IllegalStateException(
                    "copy of %s %s to %s %s".formatted(source.dtype(), source.shape(), target.dtype(), target.shape()));
        }
        target.data().copyFrom(source.data());
    }

    @Override
    public void embed(Tensor out, Weight table, Tensor ids, LoraRows lora) {
        checkOpen();
        long count = Check.tensor("ids", ids, DType.I32, 1).axis(0);
        Check.shape("out", out, DType.F32, count, table.columns());
        Check.lora(lora, count, 1, false);
        rows.embed(out, table, ids, lora);
    }

    @Override
    public void rmsNorm(Tensor out, Tensor x, Tensor weight, float epsilon) {
        checkOpen();
        Shape shape = Check.tensor("x", x, DType.F32, 2);
        Check.shape("out", out, DType.F32, shape);
        Check.shape("weight", weight, DType.F32, shape.axis(1));
        rows.rmsNorm(out, null, x, weight, epsilon);
    }

    @Override
    public void addRmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight, float epsilon) {
        checkOpen();
        Shape shape = Check.tensor("x", x, DType.F32, 2);
        Check.shape("out", out, DType.F32, shape);
        Check.shape("residual", residual, DType.F32, shape);
        Check.shape("weight", weight, DType.F32, shape.axis(1));
        rows.rmsNorm(out, residual, x, weight, epsilon);
    }

    static PreparedWeight prepared(Weight weight) {
        if (weight instanceof PreparedWeight prepared) {
            return prepared;
        }
        throw new IllegalStateException("linear over a weight that this backend has not prepared: "
                + weight.getClass().getSimpleName());
    }

    @Override
    public void linear(Tensor out, Tensor x, Weight weight, Tensor bias, LoraRows lora) {
        checkOpen();
        PreparedWeight prepared = prepared(weight);
        long count = Check.tensor("x", x, DType.F32, 2).axis(0);
        Check.shape("x", x, DType.F32, count, weight.columns());
        Check.shape("out", out, DType.F32, count, weight.rows());
        if (bias != null) {
            Check.shape("bias", bias, DType.F32, weight.rows());
        }
        Check.lora(lora, count, prepared.parts(), true);
        linear.run(out, x, prepared, bias, lora);
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
        checkOpen();
        checkRope(qkv, qNorm, kNorm, rows, shape, kvCache, layout, layer);
        attention.ropeAndStore(qkv, qNorm, kNorm, epsilon, rows, shape, kvCache, layout, layer);
    }

    private static void checkRope(
            Tensor qkv,
            Tensor qNorm,
            Tensor kNorm,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        Check.attention(qkv, rows, shape, kvCache, layout, layer);
        if (qNorm != null) {
            Check.shape("qNorm", qNorm, DType.F32, shape.headDim());
        }
        if (kNorm != null) {
            Check.shape("kNorm", kNorm, DType.F32, shape.headDim());
        }
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
        checkOpen();
        long count = Check.attention(qkv, rows, shape, kvCache, layout, layer);
        Check.shape("out", out, DType.F32, count, (long) shape.heads() * shape.headDim());
        attention.attention(out, qkv, rows, shape, kvCache, layout, layer);
    }

    @Override
    public void ropeAndAttention(
            Tensor out,
            Tensor qkv,
            Tensor qNorm,
            Tensor kNorm,
            float epsilon,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        checkOpen();
        checkRope(qkv, qNorm, kNorm, rows, shape, kvCache, layout, layer);
        Check.shape("out", out, DType.F32, qkv.shape().axis(0), (long) shape.heads() * shape.headDim());
        attention.ropeAndAttention(out, qkv, qNorm, kNorm, epsilon, rows, shape, kvCache, layout, layer);
    }

    @Override
    public void swiGlu(Tensor out, Tensor gateUp) {
        checkOpen();
        Shape shape = Check.tensor("out", out, DType.F32, 2);
        Check.shape("gateUp", gateUp, DType.F32, shape.axis(0), 2 * shape.axis(1));
        rows.swiGlu(out, gateUp);
    }

    @Override
    public void gatherRows(Tensor out, Tensor x, Tensor indices) {
        checkOpen();
        long width = Check.tensor("x", x, DType.F32, 2).axis(1);
        long count = Check.tensor("out", out, DType.F32, 2).axis(0);
        Check.shape("indices", indices, DType.I32, count);
        Check.shape("out", out, DType.F32, count, width);
        rows.gatherRows(out, x, indices);
    }

    @Override
    public void sample(TokenScores out, Tensor logits, SamplingRows rows) {
        checkOpen();
        Check.scores(out, logits);
        Check.sampling(rows, logits.shape().axis(0), logits.shape().axis(1));
        sampling.sample(out, logits, rows);
    }

    @Override
    public void score(TokenScores out, Tensor logits) {
        checkOpen();
        Check.scores(out, logits);
        sampling.score(out, logits);
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the CPU backend is closed");
        }
    }

    @Override
    public TrainingOps training() {
        checkOpen();
        return training;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            workers.close();
            training.close();
            scratch.close();
            memory.close();
        }
    }
}
