package dev.nightshift.tensor.cpu;

/**
 * Inner loops over cached blocks of one key-value head. Keys lie transposed, [headDim][keyStride], so that positions are lanes;
 * values lie as [blockTokens][valueStride]. Every query's result is built in the same order whatever its company.
 */
interface AttentionLanes {
    /** Positions whose keys lie side by side: a column of scores. */
    int COLUMN = 16;

    /** Longs of a run of values: the first one's address, the float of its weight in a row, their number. */
    int RUN = 3;

    /** {@code to[at + d] = q[d] * scale}. */
    void scaled(long q, float scale, int headDim, float[] to, int at);

    /**
     * {@code s[i][COLUMN c + t] = sum over d of q[i][d] * keys[c][d][t]} for the tile's rows. Columns beyond may be written to.
     *
     * @param keys addresses of the columns' first keys, with room for one more
     */
    void scores(QueryTile tile, Longs keys, int columns, int keyStride, int headDim);

    /**
     * One step of the running softmax over so many columns of the tile's scores, where a position that does not count holds minus
     * infinity: the new maximum, the factor that brings what was summed before to it, the weights in place of the scores, and
     * {@code sum[lane] = sum[lane] * factor + weights of the lane, column by column}.
     */
    void weigh(QueryTile tile, int columns);

    /** {@code o[i] = o[i] * factor[i] + sum over the runs' positions of weight * value} for the tile's rows. */
    void values(QueryTile tile, Longs runs, int count, int valueStride);

    /** {@code o[i] += sum over the runs' positions of weight * value} for one query. */
    void values(QueryTile tile, int query, Longs runs, int count, int valueStride);

    /** {@code out[d] = o[at + d] * factor}. */
    void scaled(float[] o, int at, float factor, int headDim, long out);

    /** Halves of a head rotated: {@code (a, b) -> (a cos - b sin, b cos + a sin)}. */
    void rotate(long head, long cos, long sin, int half);
}
