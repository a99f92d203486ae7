package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.DType;

/**
 * Inner loops over single rows in native memory. Sums over a row are kept in {@link #PARTIALS} interleaved partial sums
 * whatever the width, and added up in a fixed order.
 */
interface RowLanes {
    int PARTIALS = 32;
    int STRETCH = 64;

    /** {@code sum of x[i] * w[i]}, w of a float type. */
    float dot(DType dtype, long x, long w, int count, float[] partials);

    /** {@code x += y}. */
    void add(long x, long y, int count);

    /** {@code out = x * factor * weight}. */
    void scale(long out, long x, float factor, long weight, int count);

    /** {@code out = gate / (1 + exp(-gate)) * up}. */
    void swiGlu(long out, long gate, long up, int count);

    /** {@code sum of exp(x[i] - max)}, in interleaved partial sums too. */
    double sumExp(long x, float max, int count, float[] partials);

    /** The largest of x, NaN if there is one. */
    float max(long x, int count);

    /** The lowest place at which x is {@code value}, or {@code count}. */
    int first(long x, int count, float value);

    /** {@code w[i] = exp((x[i] - max) / temperature)}. */
    void weights(long x, float max, float temperature, int count, float[] w);

    /** The largest of every {@link #STRETCH} values. */
    void maxima(long x, int count, float[] maxima);

    /**
     * {@code y = gain * (y + scale * (sum over j of t[j] * b[j][i])) + bias} for i in 0..count of at most the stride.
     *
     * @param b [rank][stride]
     * @param gain address or 0 for none; bias alike
     */
    void lowRank(long y, long t, int rank, float[] b, int stride, float scale, long gain, long bias, int count);
}
