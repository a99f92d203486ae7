package dev.nightshift.tensor;

/**
 * The backward of {@link TensorOps}, and what training needs beside it. Same contract: work is enqueued, nothing allocated,
 * shapes checked, one thread. All tensors F32 unless said; {@code +=} means the target is added to, {@code =} overwritten.
 * Sums over rows run in row order whatever the number of threads, so that the same calls give the same bits.
 *
 * <p>A packed batch is [tokens, ...] rows of several samples one after another; {@code segmentStarts} [tokens] I32 holds for
 * each row the first row of its sample (a padding row: itself).
 */
public interface TrainingOps {

    /**
     * Trainable factors of one linear's part.
     *
     * @param a [rank, in]
     * @param b [out, rank]
     * @param scale alpha / rank, or alpha / sqrt(rank) for rsLoRA
     */
    record LoraFactors(Tensor a, Tensor b, float scale) {}

    /**
     * Inverted dropout whose mask is a function of (seed, row, column) alone, so that backward and recomputation see the
     * same one: an element is zero where {@link CounterRandom#uniform(long, int, int, int)} of stream DROPOUT, row {@code
     * firstRow + r} and its column is below the probability, else {@code x / (1 - probability)}.
     *
     * @param probability of a zero; 0 = off
     * @param firstRow number of the first row of the call within its micro batch
     */
    record Dropout(float probability, long seed, int firstRow) {
        public static final Dropout OFF = new Dropout(0, 0, 0);

        public Dropout {
            if (!(probability >= 0 && probability < 1)) {
                throw new IllegalStateException("dropout " + probability);
            }
        }
    }

    /**
     * One AdamW step.
     *
     * @param step 1 for the first
     * @param gradientScale factor on the gradient (clipping)
     */
    record AdamStep(
            float learningRate,
            float beta1,
            float beta2,
            float epsilon,
            float weightDecay,
            int step,
            float gradientScale) {}

    /** {@code h = drop(x) A^T; y[:, column..] += scale * h B^T}; x [rows, in], h [rows, rank], y [rows, >= column + out]. */
    void loraForward(Tensor y, int column, Tensor x, Tensor h, LoraFactors factors, Dropout dropout);

    /**
     * Backward of {@link #loraForward}: {@code dB += scale * dY^T h; dH = scale * dY B; dA += dH^T drop(x);
     * dX += undrop(dH A)}, dY being columns {@code column..} of {@code dy}.
     *
     * @param dx [rows, in], or null where no gradient is wanted below
     * @param dh [rows, rank] scratch
     */
    void loraBackward(
            Tensor dx,
            Tensor da,
            Tensor db,
            Tensor dy,
            int column,
            Tensor x,
            Tensor h,
            Tensor dh,
            LoraFactors factors,
            Dropout dropout);

    /** {@code dX = dY W}, or {@code +=}; dy [rows, W.rows], dx [rows, W.columns]. W is a prepared weight, 4-bit or dense. */
    void linearBackward(Tensor dx, Tensor dy, Weight weight, boolean accumulate);

    /** {@code dX += } backward of {@link TensorOps#rmsNorm} at input x. */
    void rmsNormBackward(Tensor dx, Tensor dy, Tensor x, Tensor weight, float epsilon);

    /** Head norms (or null) and rotary embedding without a cache; {@code out} may be {@code qkv} where there are no norms. */
    void rope(Tensor out, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape);

    /** Backward of {@link #rope}, in place on dqkv; {@code qkv} is rope's input (needed with head norms, else null). */
    void ropeBackward(
            Tensor dqkv, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape);

    /**
     * Causal attention inside each sample of a packed batch.
     *
     * @param out rows [from, to) of [tokens, heads * headDim] are written
     * @param logSumExp [tokens, heads], kept for backward
     * @param qkv [tokens, (heads + 2 * kvHeads) * headDim] after {@link #rope}
     */
    void packedAttention(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to);

    /**
     * Backward of {@link #packedAttention} for query rows [from, to): {@code dqkv +=} (q of these rows, k and v of all rows
     * they look at).
     */
    void packedAttentionBackward(
            Tensor dqkv,
            Tensor dout,
            Tensor out,
            Tensor logSumExp,
            Tensor qkv,
            Tensor segmentStarts,
            AttentionShape shape,
            int from,
            int to);

    /** {@code dGateUp = } backward of {@link TensorOps#swiGlu}. */
    void swiGluBackward(Tensor dGateUp, Tensor dOut, Tensor gateUp);

    /**
     * {@code losses[r] = -log softmax(logits[r])[targets[r]]} and {@code logits[r] = weights[r] * (softmax - one hot)}, the
     * gradient of {@code sum(weights * losses)}. A negative target: loss 0, gradient 0.
     *
     * @param logits [rows, vocab], overwritten
     * @param targets [rows] I32
     * @param weights [rows]; null = only the losses are wanted and logits are left undefined
     */
    void crossEntropy(Tensor losses, Tensor logits, Tensor targets, Tensor weights);

    /** {@code out[indices[i]] += x[i]}, backward of {@link TensorOps#gatherRows}; indices are distinct, negative = none. */
    void scatterRows(Tensor out, Tensor x, Tensor indices);

    /** {@code out += x}. */
    void add(Tensor out, Tensor x);

    /** {@code out = x}. */
    void copy(Tensor out, Tensor x);

    /** {@code out = 0}. */
    void zero(Tensor out);

    /**
     * NEFTune (arXiv 2310.05914): {@code x += amplitude * (2 u - 1)}, u = {@link CounterRandom#uniform(long, int, int, int)} of
     * stream NEFTUNE, row {@code firstRow + r} and the column.
     */
    void addNoise(Tensor x, float amplitude, long seed, int firstRow);

    /** {@code out[index] = sum of x^2}, summed in double in element order of fixed blocks; NaN and infinity stay visible. */
    void sumOfSquares(Tensor out, int index, Tensor x);

    /** Decoupled AdamW, torch's formula; m and v as param. */
    void adamW(Tensor param, Tensor gradient, Tensor m, Tensor v, AdamStep step);

    /**
     * AdamW with 8-bit block-wise state, blocks of 256, as bitsandbytes' CUDA code computes it (qlora.md section 2.5).
     *
     * @param mCodes U8 as param, with mAbsmax [ceil(n / 256)] and the signed map mMap [256]; v alike with the unsigned map
     */
    void adamW8Bit(
            Tensor param,
            Tensor gradient,
            Tensor mCodes,
            Tensor mAbsmax,
            Tensor mMap,
            Tensor vCodes,
            Tensor vAbsmax,
            Tensor vMap,
            AdamStep step);
}
