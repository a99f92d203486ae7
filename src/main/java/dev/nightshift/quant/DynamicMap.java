package dev.nightshift.quant;

import java.util.Arrays;

/**
 * The 8-bit "dynamic" code books of bitsandbytes (Dettmers, arXiv 1511.04561): seven decades, each cut into twice as many steps
 * as the one below. Index i of the map is the value of code i; values rise.
 */
public final class DynamicMap {
    private static final int DECADES = 7;
    private static final int ENTRIES = 256;

    private DynamicMap() {}

    /** [256] of [-0.993, 1]; of absmax values (double quantisation) and Adam's m. */
    public static float[] signed() {
        float[] map = new float[ENTRIES];
        int n = 0;
        for (int decade = 0; decade < DECADES; decade++) {
            for (float step : steps(decade, 1 << decade)) {
                map[n++] = step;
                map[n++] = -step;
            }
        }
        return finish(map, n);
    }

    /** [256] of [0, 1]; of Adam's v. */
    public static float[] unsigned() {
        float[] map = new float[ENTRIES];
        int n = 0;
        for (int decade = 0; decade < DECADES; decade++) {
            for (float step : steps(decade, 1 << (decade + 1))) {
                map[n++] = step;
            }
        }
        return finish(map, n);
    }

    private static float[] finish(float[] map, int filled) {
        if (filled != ENTRIES - 2) {
            throw new IllegalStateException("%d entries of %d".formatted(filled, ENTRIES - 2));
        }
        map[filled] = 0.0f;
        map[filled + 1] = 1.0f;
        Arrays.sort(map);
        return map;
    }

    /** Midpoints between {@code count + 1} even boundaries of [0.1, 1], shifted down to their decade. */
    private static float[] steps(int decade, int count) {
        float[] steps = new float[count];
        float power = (float) Math.pow(10, decade - (DECADES - 1));
        for (int i = 0; i < count; i++) {
            steps[i] = (boundary(i, count) + boundary(i + 1, count)) / 2 * power;
        }
        return steps;
    }

    /** As torch.linspace rounds: from both ends to the middle, with fused multiply-add (golden quant4, nested_quant_map). */
    private static float boundary(int i, int count) {
        float step = (1.0f - 0.1f) / count;
        return i < (count + 1) / 2 ? Math.fma(step, i, 0.1f) : Math.fma(-step, count - i, 1.0f);
    }
}
