package dev.nightshift.tensor;

import dev.nightshift.tensor.TrainingOps.AdamStep;

/** AdamW in double: torch's formula, and bitsandbytes' with 8-bit state in blocks of 256 (qlora.md section 2.5). */
final class AdamFormulas {
    static final int BLOCK = 256;

    private AdamFormulas() {}

    /** Changes param, m and v in place. */
    static void adamW(double[] param, double[] gradient, double[] m, double[] v, AdamStep step) {
        double beta1 = step.beta1();
        double beta2 = step.beta2();
        for (int i = 0; i < param.length; i++) {
            double g = gradient[i] * step.gradientScale();
            m[i] = beta1 * m[i] + (1 - beta1) * g;
            v[i] = beta2 * v[i] + (1 - beta2) * g * g;
            double mHat = m[i] / (1 - Math.pow(beta1, step.step()));
            double vHat = v[i] / (1 - Math.pow(beta2, step.step()));
            param[i] *= 1 - (double) step.learningRate() * step.weightDecay();
            param[i] -= step.learningRate() * mHat / (Math.sqrt(vHat) + step.epsilon());
        }
    }

    /** State of one tensor: codes and the absmax of each block, with the maps they index. */
    record State(int[] mCodes, double[] mAbsmax, float[] mMap, int[] vCodes, double[] vAbsmax, float[] vMap) {
        double m(int i) {
            return mMap[mCodes[i]] * mAbsmax[i / BLOCK];
        }

        double v(int i) {
            return vMap[vCodes[i]] * vAbsmax[i / BLOCK];
        }
    }

    /** What a step wants: parameters, and m and v before they are coded again. */
    record Wanted(double[] param, double[] m, double[] v, double[] mAbsmax, double[] vAbsmax) {}

    static Wanted adamW8Bit(double[] param, double[] gradient, State state, AdamStep step) {
        int size = param.length;
        Wanted wanted = new Wanted(
                param.clone(),
                new double[size],
                new double[size],
                new double[state.mAbsmax().length],
                new double[state.vAbsmax().length]);
        double correction1 = 1 - Math.pow(step.beta1(), step.step());
        double correction2 = Math.sqrt(1 - Math.pow(step.beta2(), step.step()));
        for (int i = 0; i < size; i++) {
            double g = gradient[i] * step.gradientScale();
            if (!Double.isFinite(g)) {
                continue;
            }
            double m = state.m(i) * step.beta1() + (1 - (double) step.beta1()) * g;
            double v = state.v(i) * step.beta2() + (1 - (double) step.beta2()) * g * g;
            wanted.m()[i] = m;
            wanted.v()[i] = v;
            wanted.mAbsmax()[i / BLOCK] = Math.max(wanted.mAbsmax()[i / BLOCK], Math.abs(m));
            wanted.vAbsmax()[i / BLOCK] = Math.max(wanted.vAbsmax()[i / BLOCK], v);
            wanted.param()[i] -= step.learningRate()
                    * correction2
                    / correction1
                    * (m / (Math.sqrt(v) + step.epsilon() * correction2));
            wanted.param()[i] *= 1 - (double) step.learningRate() * step.weightDecay();
        }
        return wanted;
    }

    /**
     * Whether {@code code} is the nearest entry to {@code value}, or as near within fp32's roundings; of a signed map's entry
     * the sign is the value's own.
     */
    static boolean isNearest(float[] map, boolean signed, int code, double value) {
        if (signed && value != 0 && map[code] != 0 && Math.signum(map[code]) != Math.signum(value)) {
            return false;
        }
        int best = 0;
        for (int i = 1; i < map.length; i++) {
            best = Math.abs(map[i] - value) < Math.abs(map[best] - value) ? i : best;
        }
        // zero has the positive sign: a small negative value moves to the entry below
        if (signed && value < 0 && map[best] >= 0) {
            best--;
        }
        double slack = 4 * Expected.ROUNDOFF * (Math.abs(value) + Math.abs(map[best]));
        return code == best || Math.abs(Math.abs(map[code] - value) - Math.abs(map[best] - value)) <= slack;
    }
}
