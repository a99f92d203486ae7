package dev.nightshift.quant;

import dev.nightshift.tensor.FourBitCode;
import java.util.Arrays;

/**
 * The sixteen values of a 4-bit code and the decision between them (qlora.md section 2.1). A scaled value takes the code of
 * the nearest level; on the midpoint of two it takes the lower level.
 */
public final class CodeBook {
    private static final float[] NF4_VALUES = {
        -1.0f,
        -0.6961928009986877f,
        -0.5250730514526367f,
        -0.39491748809814453f,
        -0.28444138169288635f,
        -0.18477343022823334f,
        -0.09105003625154495f,
        0.0f,
        0.07958029955625534f,
        0.16093020141124725f,
        0.24611230194568634f,
        0.33791524171829224f,
        0.44070982933044434f,
        0.5626170039176941f,
        0.7229568362236023f,
        1.0f
    };
    private static final float[] NF4_THRESHOLDS = {
        -0.8480964004993439f,
        -0.6106329262256622f,
        -0.4599952697753906f,
        -0.33967943489551544f,
        -0.23460740596055984f,
        -0.13791173323988914f,
        -0.045525018125772476f,
        0.03979014977812767f,
        0.1202552504837513f,
        0.2035212516784668f,
        0.2920137718319893f,
        0.3893125355243683f,
        0.5016634166240692f,
        0.6427869200706482f,
        0.8614784181118011f
    };
    private static final int[] NF4_ORDER = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

    /** Bit 3 is the sign, the low bits pick the magnitude from 0, 1/16, 8, 12, 4, 6, 2, 3 twelfths. */
    private static final float[] FP4_VALUES = {
        0.0f,
        0.0052083333f,
        0.6666667f,
        1.0f,
        0.33333334f,
        0.5f,
        0.16666667f,
        0.25f,
        0.0f,
        -0.0052083333f,
        -0.6666667f,
        -1.0f,
        -0.33333334f,
        -0.5f,
        -0.16666667f,
        -0.25f
    };

    private static final float[] FP4_THRESHOLDS = {
        -0.8333333f,
        -0.583333f,
        -0.4166667f,
        -0.29166667f,
        -0.20833333f,
        -0.0859375f,
        -0.00260417f,
        0.0f,
        0.00260417f,
        0.0859375f,
        0.20833333f,
        0.29166667f,
        0.4166667f,
        0.583333f,
        0.8333333f
    };
    /**
     * Codes by rising value. Both zeros stand in the middle, code 0 below code 8: the portable code of bitsandbytes gives a
     * small negative value code 0 and a small positive one code 8 (golden fp4_64, all 45 such values), both decode to zero.
     */
    private static final int[] FP4_ORDER = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

    private static final CodeBook NF4 = new CodeBook(NF4_VALUES, NF4_THRESHOLDS, NF4_ORDER);
    private static final CodeBook FP4 = new CodeBook(FP4_VALUES, FP4_THRESHOLDS, FP4_ORDER);

    /** Bins over [-1, 1]; so narrow that a bin and its two neighbours hold one threshold at most (0.0026 apart at least). */
    private static final int BINS = 4096;

    private final float[] values;
    private final float[] thresholds;
    private final byte[] order;
    private final byte[] thresholdsBelowBin;

    private CodeBook(float[] values, float[] thresholds, int[] order) {
        this.values = values;
        this.thresholds = new float[thresholds.length + 1];
        System.arraycopy(thresholds, 0, this.thresholds, 0, thresholds.length);
        this.thresholds[thresholds.length] = Float.POSITIVE_INFINITY;
        this.order = new byte[order.length];
        for (int i = 0; i < order.length; i++) {
            this.order[i] = (byte) order[i];
        }
        this.thresholdsBelowBin = new byte[BINS + 1];
        for (int bin = 0; bin <= BINS; bin++) {
            double lowerEdge = (bin - 1) * (2.0 / BINS) - 1;
            byte below = 0;
            while (below < thresholds.length && thresholds[below] < lowerEdge) {
                below++;
            }
            thresholdsBelowBin[bin] = below;
        }
    }

    /** The book of a code. */
    public static CodeBook of(FourBitCode code) {
        return switch (code) {
            case NF4 -> NF4;
            case FP4 -> FP4;
        };
    }

    /** The value of each code, [16]. */
    public float[] values() {
        return values.clone();
    }

    /** The value of a code. */
    public float value(int code) {
        return values[code];
    }

    /** The decision thresholds by rising value, [15]. */
    public float[] thresholds() {
        return Arrays.copyOf(thresholds, thresholds.length - 1);
    }

    /** The code of a value scaled to [-1, 1]; beyond that range the outermost code. */
    public int code(float scaled) {
        float clamped = Math.clamp(scaled, -1.0f, 1.0f);
        int below = thresholdsBelowBin[(int) ((clamped + 1) * (BINS / 2))];
        return order[clamped > thresholds[below] ? below + 1 : below];
    }

    /** The code whose value is zero; all of an all-zero block have it. */
    public int zeroCode() {
        return order[7];
    }
}
