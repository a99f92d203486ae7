package dev.nightshift.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Cosines and sines of rotary angles, row by row, in the float steps of transformers' {@code modeling_rope_utils}.
 *
 * <p>Dynamic NTK depends on the length of the text. Here the length of a row is {@code max(promptTokens, position + 1)}: what
 * transformers uses when the prompt goes in at once and new tokens follow one by one, and independent of how a prompt was
 * chunked or recomputed. Keys of a prompt beyond the original length therefore belong to that prompt alone:
 * {@link #sharesPrefix} is false for it.
 */
public final class RopeTable {
    private final RopeConfig config;
    private final int headDim;
    private final float[] inverse;
    private final float factor;
    private final float[] stretched;
    private int stretchedLength = -1;

    public RopeTable(RopeConfig config, int headDim) {
        this(config, headDim, inverseFrequencies(config, headDim));
    }

    /** @param inverse frequencies [headDim / 2] of a text that is not stretched */
    RopeTable(RopeConfig config, int headDim, float[] inverse) {
        this.config = config;
        this.headDim = headDim;
        this.inverse = inverse;
        this.stretched = new float[headDim / 2];
        this.factor = config.scaling() instanceof RopeConfig.Yarn yarn ? (float) yarn.attentionFactor() : 1f;
    }

    static float[] inverseFrequencies(RopeConfig config, int headDim) {
        float[] plain = new float[headDim / 2];
        fill(plain, (float) config.theta(), headDim);
        return switch (config.scaling()) {
            case RopeConfig.None none -> plain;
            case RopeConfig.Linear linear -> linear(linear, plain);
            case RopeConfig.Dynamic dynamic -> plain;
            case RopeConfig.Llama3 llama3 -> llama3(llama3, plain);
            case RopeConfig.Yarn yarn -> yarn(yarn, (float) config.theta(), headDim);
        };
    }

    /** Whether keys of a prompt of this length are the same in every sequence that starts alike. */
    public boolean sharesPrefix(int promptTokens) {
        return !(config.scaling() instanceof RopeConfig.Dynamic dynamic) || promptTokens <= dynamic.originalPositions();
    }

    /** Writes row {@code row} of {@code target} [rows, headDim] F32: cosines of the first half, then sines. */
    public void write(MemorySegment target, long row, int position, int promptTokens) {
        float[] frequencies = frequencies(Math.max(promptTokens, position + 1));
        int half = headDim / 2;
        long start = row * headDim;
        for (int i = 0; i < half; i++) {
            float angle = position * frequencies[i];
            target.setAtIndex(ValueLayout.JAVA_FLOAT, start + i, (float) Math.cos(angle) * factor);
            target.setAtIndex(ValueLayout.JAVA_FLOAT, start + half + i, (float) Math.sin(angle) * factor);
        }
    }

    /**
     * Rows of a whole text of the given length at once, for training.
     *
     * @param cosSin from {@code offset} on: per position headDim floats
     */
    public void fill(int[] positions, int length, float[] cosSin, int offset) {
        MemorySegment target = MemorySegment.ofArray(cosSin).asSlice((long) offset * Float.BYTES);
        for (int i = 0; i < positions.length; i++) {
            write(target, i, positions[i], length);
        }
    }

    /** Inverse frequencies [headDim / 2] of a row in a text of this length. */
    float[] frequencies(int length) {
        if (!(config.scaling() instanceof RopeConfig.Dynamic dynamic) || length <= dynamic.originalPositions()) {
            return inverse;
        }
        if (length != stretchedLength) {
            float original = dynamic.originalPositions();
            float growth = (float) dynamic.factor() * length / original - (float) (dynamic.factor() - 1);
            float base = (float) config.theta() * (float) Math.pow(growth, (double) headDim / (headDim - 2));
            fill(stretched, base, headDim);
            stretchedLength = length;
        }
        return stretched;
    }

    /** The factor on cosines and sines. */
    float attentionFactor() {
        return factor;
    }

    private static void fill(float[] result, float base, int headDim) {
        for (int i = 0; i < result.length; i++) {
            result[i] = 1f / power(base, i, headDim);
        }
    }

    private static float power(float base, int i, int headDim) {
        return (float) Math.pow(base, (float) (2 * i) / headDim);
    }

    private static float[] linear(RopeConfig.Linear linear, float[] result) {
        for (int i = 0; i < result.length; i++) {
            result[i] /= (float) linear.factor();
        }
        return result;
    }

    private static float[] llama3(RopeConfig.Llama3 scaling, float[] result) {
        float factor = (float) scaling.factor();
        float original = scaling.originalPositions();
        float low = (float) scaling.lowFreqFactor();
        float longWave = (float) (scaling.originalPositions() / scaling.lowFreqFactor());
        float shortWave = (float) (scaling.originalPositions() / scaling.highFreqFactor());
        float range = (float) (scaling.highFreqFactor() - scaling.lowFreqFactor());
        for (int i = 0; i < result.length; i++) {
            float wave = (float) (2 * Math.PI) / result[i];
            if (wave > longWave) {
                result[i] /= factor;
            } else if (wave >= shortWave) {
                float smooth = (original / wave - low) / range;
                result[i] = (1 - smooth) * result[i] / factor + smooth * result[i];
            }
        }
        return result;
    }

    private static float[] yarn(RopeConfig.Yarn scaling, float theta, int headDim) {
        double low = correctionDimension(scaling.betaFast(), scaling.originalPositions(), theta, headDim);
        double high = correctionDimension(scaling.betaSlow(), scaling.originalPositions(), theta, headDim);
        if (scaling.truncate()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        high = Math.min(high, headDim - 1);
        if (low == high) {
            high += 0.001; // the reference's own guard against a ramp of no width
        }
        float[] result = new float[headDim / 2];
        for (int i = 0; i < result.length; i++) {
            float power = power(theta, i, headDim);
            float ramp = Math.clamp((i - (float) low) / (float) (high - low), 0f, 1f);
            float extrapolated = 1 - ramp;
            result[i] = 1f / ((float) scaling.factor() * power) * (1 - extrapolated) + 1f / power * extrapolated;
        }
        return result;
    }

    /** Dimension whose wave turns {@code rotations} times over the original length. */
    private static double correctionDimension(double rotations, int originalPositions, double theta, int headDim) {
        return headDim * Math.log(originalPositions / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
    }
}
