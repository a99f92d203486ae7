package dev.nightshift.tensor;

/** The checks of shape and type that every backend makes before an operation; both values stand in the message. */
public final class Operands {
    private Operands() {}

    /** A tensor of exactly this type and shape. */
    public static void require(String name, Tensor tensor, DType dtype, long... axes) {
        if (tensor.dtype() != dtype) {
            throw new IllegalStateException("%s is %s, expected %s".formatted(name, tensor.dtype(), dtype));
        }
        boolean same = tensor.shape().rank() == axes.length;
        for (int i = 0; same && i < axes.length; i++) {
            same = tensor.shape().axis(i) == axes[i];
        }
        if (!same) {
            throw new IllegalStateException("%s is %s, expected %s".formatted(name, tensor.shape(), Shape.of(axes)));
        }
    }

    private static void requireRank(String name, Tensor tensor, int rank) {
        if (tensor.shape().rank() != rank) {
            throw new IllegalStateException("%s is %s, expected %d axes".formatted(name, tensor.shape(), rank));
        }
    }

    private static long axis(String name, Tensor tensor, int rank, int index) {
        requireRank(name, tensor, rank);
        return tensor.shape().axis(index);
    }

    /** Of {@link TensorOps#upload} and {@link TensorOps#readback}. */
    public static void transfer(Tensor target, Tensor source) {
        if (target.dtype() != source.dtype() || !target.shape().equals(source.shape())) {
            throw new IllegalStateException("target is %s %s, source is %s %s"
                    .formatted(target.dtype(), target.shape(), source.dtype(), source.shape()));
        }
    }

    /** Of {@link TensorOps#embed}. */
    public static void embed(Tensor out, Weight table, Tensor ids, LoraRows lora) {
        long rows = axis("out", out, 2, 0);
        require("out", out, DType.F32, rows, table.columns());
        require("ids", ids, DType.I32, rows);
        if (lora != null) {
            lora(lora, rows, 1);
        }
    }

    /** Of {@link TensorOps#rmsNorm}. */
    public static void rmsNorm(Tensor out, Tensor x, Tensor weight) {
        long rows = axis("x", x, 2, 0);
        long hidden = x.shape().axis(1);
        require("x", x, DType.F32, rows, hidden);
        require("out", out, DType.F32, rows, hidden);
        require("weight", weight, DType.F32, hidden);
    }

    /** Of {@link TensorOps#addRmsNorm}. */
    public static void addRmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight) {
        rmsNorm(out, x, weight);
        require("residual", residual, DType.F32, x.shape().axis(0), x.shape().axis(1));
    }

    /**
     * Of {@link TensorOps#linear}.
     *
     * @param parts fused parts of the weight, 1 if it is not fused
     */
    public static void linear(Tensor out, Tensor x, Weight weight, int parts, Tensor bias, LoraRows lora) {
        long rows = axis("x", x, 2, 0);
        require("x", x, DType.F32, rows, weight.columns());
        require("out", out, DType.F32, rows, weight.rows());
        if (bias != null) {
            require("bias", bias, DType.F32, weight.rows());
        }
        if (lora != null) {
            lora(lora, rows, parts);
        }
    }

    private static void lora(LoraRows lora, long rows, int parts) {
        require("rowSlots", lora.rowSlots(), DType.I32, rows);
        long width = (long) parts * lora.table().rankMax();
        if (axis("scratch", lora.scratch(), 2, 0) < rows
                || lora.scratch().shape().axis(1) < width) {
            throw new IllegalStateException("scratch is %s, expected at least %s"
                    .formatted(lora.scratch().shape(), Shape.of(rows, width)));
        }
        long targets = lora.table().entries().shape().axis(1);
        if (lora.firstTarget() < 0 || lora.firstTarget() + parts > targets) {
            throw new IllegalStateException(
                    "targets %d to %d of %d".formatted(lora.firstTarget(), lora.firstTarget() + parts, targets));
        }
    }

    private static void rows(long rows, AttentionRows attention, AttentionShape shape) {
        require("positions", attention.positions(), DType.I32, rows);
        require("sequences", attention.sequences(), DType.I32, rows);
        require("slots", attention.slots(), DType.I32, rows);
        require("cosSin", attention.cosSin(), DType.F32, rows, shape.headDim());
        requireRank("blockTables", attention.blockTables(), 2);
    }

    private static void cache(Tensor kvCache, KvLayout layout, AttentionShape shape, int layer) {
        require("kvCache", kvCache, DType.U8, axis("kvCache", kvCache, 2, 0), layout.blockBytes());
        if (layout.kvHeads() != shape.kvHeads() || layout.headDim() != shape.headDim()) {
            throw new IllegalStateException("cache of %d heads of size %d, attention of %d heads of size %d"
                    .formatted(layout.kvHeads(), layout.headDim(), shape.kvHeads(), shape.headDim()));
        }
        if (layer < 0 || layer >= layout.layers()) {
            throw new IllegalStateException("layer %d of %d".formatted(layer, layout.layers()));
        }
    }

    private static void qkv(Tensor qkv, long rows, AttentionShape shape) {
        require("qkv", qkv, DType.F32, rows, (shape.heads() + 2L * shape.kvHeads()) * shape.headDim());
    }

    /** Of {@link TensorOps#ropeAndStore}. */
    public static void ropeAndStore(
            Tensor qkv,
            Tensor qNorm,
            Tensor kNorm,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        long count = axis("qkv", qkv, 2, 0);
        qkv(qkv, count, shape);
        rows(count, rows, shape);
        cache(kvCache, layout, shape, layer);
        if ((qNorm == null) != (kNorm == null)) {
            throw new IllegalStateException("qNorm is %s, kNorm is %s".formatted(qNorm, kNorm));
        }
        if (qNorm != null) {
            require("qNorm", qNorm, DType.F32, shape.headDim());
            require("kNorm", kNorm, DType.F32, shape.headDim());
        }
    }

    /** Of {@link TensorOps#attention}. */
    public static void attention(
            Tensor out,
            Tensor qkv,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer) {
        long count = axis("qkv", qkv, 2, 0);
        qkv(qkv, count, shape);
        require("out", out, DType.F32, count, (long) shape.heads() * shape.headDim());
        rows(count, rows, shape);
        cache(kvCache, layout, shape, layer);
    }

    /** Of {@link TensorOps#swiGlu}. */
    public static void swiGlu(Tensor out, Tensor gateUp) {
        long rows = axis("out", out, 2, 0);
        require("out", out, DType.F32, rows, out.shape().axis(1));
        require("gateUp", gateUp, DType.F32, rows, 2 * out.shape().axis(1));
    }

    /** Of {@link TensorOps#gatherRows}. */
    public static void gatherRows(Tensor out, Tensor x, Tensor indices) {
        long width = axis("x", x, 2, 1);
        require("x", x, DType.F32, x.shape().axis(0), width);
        require("out", out, DType.F32, axis("out", out, 2, 0), width);
        require("indices", indices, DType.I32, out.shape().axis(0));
    }

    /** Of {@link TensorOps#score}. */
    public static void score(TokenScores out, Tensor logits) {
        long rows = axis("logits", logits, 2, 0);
        require("logits", logits, DType.F32, rows, logits.shape().axis(1));
        require("ids", out.ids(), DType.I32, rows);
        require("logprobs", out.logprobs(), DType.F32, rows);
        long topMax = axis("topIds", out.topIds(), 2, 1);
        require("topIds", out.topIds(), DType.I32, rows, topMax);
        require("topLogprobs", out.topLogprobs(), DType.F32, rows, topMax);
        if (topMax > logits.shape().axis(1)) {
            throw new IllegalStateException("the %d most likely of %d tokens"
                    .formatted(topMax, logits.shape().axis(1)));
        }
    }

    /** Of {@link TensorOps#sample}. */
    public static void sample(TokenScores out, Tensor logits, SamplingRows sampling) {
        score(out, logits);
        long rows = logits.shape().axis(0);
        long vocab = logits.shape().axis(1);
        require("temperature", sampling.temperature(), DType.F32, rows);
        require("topK", sampling.topK(), DType.I32, rows);
        require("topP", sampling.topP(), DType.F32, rows);
        require("minP", sampling.minP(), DType.F32, rows);
        require("repetitionPenalty", sampling.repetitionPenalty(), DType.F32, rows);
        require("presencePenalty", sampling.presencePenalty(), DType.F32, rows);
        require("frequencyPenalty", sampling.frequencyPenalty(), DType.F32, rows);
        require("seeds", sampling.seeds(), DType.I64, rows);
        require("counters", sampling.counters(), DType.I64, rows);
        long biasMax = axis("biasIds", sampling.biasIds(), 2, 1);
        require("biasIds", sampling.biasIds(), DType.I32, rows, biasMax);
        require("biases", sampling.biases(), DType.F32, rows, biasMax);
        require("historySlots", sampling.historySlots(), DType.I32, rows);
        require("history", sampling.history(), DType.I32, axis("history", sampling.history(), 2, 0), vocab);
        require("maskSlots", sampling.maskSlots(), DType.I32, rows);
        require("masks", sampling.masks(), DType.I32, axis("masks", sampling.masks(), 2, 0), (vocab + 31) / 32);
    }
}
