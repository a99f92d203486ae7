package dev.nightshift.tensor.cpu;

/**
 * Inner loops over the blocks of one key-value head. Keys lie transposed, [headDim][keyStride], so that positions are lanes;
 * values lie as [blockTokens][valueStride]. A chunk is up to six queries of the same sequence and key-value head; every
 * query's result is built in the same order whatever its company.
 */
interface AttentionLanes {
    int CHUNK = 6;
    /** Blocks that share a step of the running softmax, counted from the sequence's start. */
    int BLOCKS = 4;

    /**
     * {@code s[i][t] = sum over d of q[i][d] * keys[d][t]}, for all positions of one block.
     *
     * @param s scores [queries][stride], the block's own from {@code to}
     */
    void scores(float[] q, int queries, int headDim, long keys, int keyStride, float[] s, int to, int stride);

    /**
     * One step of the running softmax of query i over {@code s[i][stride]}, where a position that does not count holds minus
     * infinity: the new maximum into {@code max[i]}, the weights into s, and {@code sums[i][t] = sums[i][t] * factor +
     * s[i][t]}. Returns the factor that brings what was summed before to the new maximum.
     */
    float weigh(float[] s, int i, int stride, float[] max, float[] sums);

    /**
     * {@code o[i][d] = o[i][d] * factor[i] + sum over blocks b, then t in [from[b], to[b]) of s[i][b * keyStride + t] *
     * values[b][t][d]}, for queries i in [first, first + queries).
     *
     * @param values addresses of the blocks' values
     */
    void values(
            float[] s,
            int keyStride,
            int first,
            int queries,
            int blocks,
            int[] from,
            int[] to,
            long[] values,
            int valueStride,
            float[] factor,
            float[] o);

    /** Halves of a head rotated: {@code (a, b) -> (a cos - b sin, b cos + a sin)}. */
    void rotate(long head, long cos, long sin, int half);
}
