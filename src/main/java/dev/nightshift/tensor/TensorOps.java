package dev.nightshift.tensor;

/**
 * The seam between the model and what computes it: fused operations over tensors that the caller planned at start. An
 * operation only enqueues work: it returns no host value, allocates nothing, and the host never looks at a tensor's content,
 * so a step can be recorded once and replayed. Results are ordered as called; {@link #readback} waits for them.
 *
 * <p>Shapes are checked: a mismatch is an {@link IllegalStateException} with both values. What a backend does not support it
 * refuses with {@link UnsupportedOperationException} naming it. One thread at a time.
 *
 * <p>A row's result depends on nothing but the row: not on its batch mates, nor on how many rows a call has.
 */
public interface TensorOps extends AutoCloseable {

    /** Name as in {@code nightshift.backend}. */
    String name();

    /** One line for the start-up log: device or vector width, threads. */
    String description();

    // ---- memory, at start only

    /** Zeroed memory of this backend, booked to a part of the budget; lives until {@link #close}. */
    Tensor allocate(MemoryPart part, DType dtype, Shape shape);

    /** Bytes booked so far. */
    long allocatedBytes(MemoryPart part);

    /** The weight in this backend's own layout, booked to {@link MemoryPart#WEIGHTS}; the argument may be dropped after. */
    Weight prepare(Weight weight);

    /** Bytes a block of the key-value cache takes in this backend. */
    KvLayout kvLayout(int layers, int kvHeads, int headDim, int blockTokens);

    // ---- transfers

    /** {@code target = source}, a host tensor of the same type and shape; the source may be reused after the call. */
    void upload(Tensor target, Tensor source);

    /** {@code target = source} into a host tensor, after everything enqueued before. The one way back. */
    void readback(Tensor target, Tensor source);

    // ---- forward

    /**
     * {@code out[r] = table[ids[r]]}; out [rows, hidden] F32, ids [rows] I32 (negative = padding, gives zeros). Of an adapter
     * only a replacing weight counts here (modules_to_save of {@code embed_tokens}); lora may be null.
     */
    void embed(Tensor out, Weight table, Tensor ids, LoraRows lora);

    /** {@code out = x / rms(x) * weight}; x, out [rows, hidden] F32, weight [hidden] F32. */
    void rmsNorm(Tensor out, Tensor x, Tensor weight, float epsilon);

    /** {@code residual += x; out = rmsNorm(residual)}; all [rows, hidden] F32. */
    void addRmsNorm(Tensor out, Tensor residual, Tensor x, Tensor weight, float epsilon);

    /**
     * {@code out = x W^T}, then the rows' adapters (see {@link LoraTable}), then the bias.
     *
     * @param out [rows, W.rows] F32
     * @param x [rows, W.columns] F32
     * @param bias [W.rows] F32 or null
     * @param lora or null if no row can have an adapter here
     */
    void linear(Tensor out, Tensor x, Weight weight, Tensor bias, LoraRows lora);

    /**
     * Optional RMS norm of each q and k head (Qwen3), rotary embedding of q and k in place (halves rotated, as Hugging Face
     * does), and k, v written to the cache.
     *
     * @param qkv [rows, (heads + 2 * kvHeads) * headDim] F32
     * @param qNorm [headDim] F32 or null; kNorm alike
     * @param kvCache [blocks, blockBytes] U8
     */
    void ropeAndStore(
            Tensor qkv,
            Tensor qNorm,
            Tensor kNorm,
            float epsilon,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer);

    /**
     * Causal attention of each row over its sequence's cached keys and values up to its own position; out [rows, heads *
     * headDim] F32, zeros in padding rows.
     */
    void attention(
            Tensor out,
            Tensor qkv,
            AttentionRows rows,
            AttentionShape shape,
            Tensor kvCache,
            KvLayout layout,
            int layer);

    /**
     * {@link #ropeAndStore}, then {@link #attention}, which a backend may do sequence by sequence: no row may look at what a row of
     * another sequence stores in this call.
     */
    default void ropeAndAttention(
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
        ropeAndStore(qkv, qNorm, kNorm, epsilon, rows, shape, kvCache, layout, layer);
        attention(out, qkv, rows, shape, kvCache, layout, layer);
    }

    /** {@code out = silu(gate) * up}; gateUp [rows, 2 * inner], out [rows, inner] F32. */
    void swiGlu(Tensor out, Tensor gateUp);

    /** {@code out[i] = x[indices[i]]}, rows picked before the head; indices [outRows] I32, negative = padding, gives zeros. */
    void gatherRows(Tensor out, Tensor x, Tensor indices);

    // ---- head

    /** One token for each row of logits [R, V] F32, which may be overwritten. */
    void sample(TokenScores out, Tensor logits, SamplingRows rows);

    /**
     * Log-probability of given tokens and the most likely ones, from raw logits [R, V]; {@code out.ids} is input here (negative
     * = none asked, gives NaN). A row that holds NaN or +infinity gives NaN, and -1 as top ids.
     */
    void score(TokenScores out, Tensor logits);

    // ---- training

    /** The backward of these operations, over the same memory and thread. */
    default TrainingOps training() {
        throw new UnsupportedOperationException("backend %s cannot train".formatted(name()));
    }

    @Override
    void close();
}
