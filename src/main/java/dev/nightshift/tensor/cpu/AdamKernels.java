package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TrainingOps.AdamStep;
import java.lang.foreign.ValueLayout;

/** AdamW with state in 32 bits (torch's formula) and in 8 bits (bitsandbytes', qlora.md section 2.5). */
final class AdamKernels {
    private static final int BLOCK = 256;

    private final Workers workers;
    private final TrainingRows rows;

    AdamKernels(Workers workers, TrainingRows rows) {
        this.workers = workers;
        this.rows = rows;
    }

    /** {@code p *= 1 - lr wd; m += (1 - b1)(g - m); v = b2 v + (1 - b2) g^2; p -= lr / c1 * m / (sqrt(v) / c2 + eps)}. */
    void adamW(Tensor param, Tensor gradient, Tensor m, Tensor v, AdamStep step) {
        long ps = Raw.address(param);
        long gs = Raw.address(gradient);
        long ms = Raw.address(m);
        long vs = Raw.address(v);
        double correction1 = 1 - Math.pow(step.beta1(), step.step());
        double correction2 = Math.sqrt(1 - Math.pow(step.beta2(), step.step()));
        float rate = (float) (step.learningRate() / correction1);
        float root = (float) correction2;
        float decay = 1 - step.learningRate() * step.weightDecay();
        float beta1 = step.beta1();
        float beta2 = step.beta2();
        float epsilon = step.epsilon();
        float scale = step.gradientScale();
        rows.blocks(param.shape().elements(), (from, count) -> {
            for (long at = 4 * from, end = at + 4L * count; at < end; at += 4) {
                float g = Raw.f32(gs + at) * scale;
                float first = Raw.f32(ms + at);
                first += (1 - beta1) * (g - first);
                float second = beta2 * Raw.f32(vs + at) + (1 - beta2) * g * g;
                Raw.f32(ms + at, first);
                Raw.f32(vs + at, second);
                float denominator = (float) Math.sqrt(second) / root + epsilon;
                Raw.f32(ps + at, Raw.f32(ps + at) * decay - rate * (first / denominator));
            }
        });
    }

    /** Addresses of one 8-bit call. */
    private record EightBit(
            long param, long gradient, long mCodes, long mAbsmax, long mMap, long vCodes, long vAbsmax, long vMap) {}

    void adamW8Bit(
            Tensor param,
            Tensor gradient,
            Tensor mCodes,
            Tensor mAbsmax,
            Tensor mMap,
            Tensor vCodes,
            Tensor vAbsmax,
            Tensor vMap,
            AdamStep step) {
        EightBit call = new EightBit(
                Raw.address(param),
                Raw.address(gradient),
                Raw.address(mCodes),
                Raw.address(mAbsmax),
                Raw.address(mMap),
                Raw.address(vCodes),
                Raw.address(vAbsmax),
                Raw.address(vMap));
        long n = param.shape().elements();
        workers.run(
                (block, thread) -> block(call, block, (int) Math.min(BLOCK, n - (long) block * BLOCK), step),
                Math.toIntExact((n + BLOCK - 1) / BLOCK));
    }

    private static void block(EightBit call, int block, int count, AdamStep step) {
        long from = (long) block * BLOCK;
        float mScale = Raw.f32(call.mAbsmax() + 4L * block);
        float vScale = Raw.f32(call.vAbsmax() + 4L * block);
        float mMax = 0;
        float vMax = 0;
        for (int i = 0; i < count; i++) {
            mMax = Math.max(mMax, Math.abs(first(call, from + i, mScale, step)));
            vMax = Math.max(vMax, Math.abs(second(call, from + i, vScale, step)));
        }
        double correction1 = 1 - Math.pow(step.beta1(), step.step());
        float correction2 = (float) Math.sqrt(1 - Math.pow(step.beta2(), step.step()));
        float rate = (float) (-step.learningRate() * correction2 / correction1);
        float decay = 1 - step.learningRate() * step.weightDecay();
        for (int i = 0; i < count; i++) {
            long at = from + i;
            float m = first(call, at, mScale, step);
            float v = second(call, at, vScale, step);
            if (Float.isFinite(Raw.f32(call.gradient() + 4 * at))) {
                long p = call.param() + 4 * at;
                float moved = Raw.f32(p) + rate * (m / ((float) Math.sqrt(v) + correction2 * step.epsilon()));
                Raw.f32(p, step.weightDecay() > 0 ? moved * decay : moved);
            }
            u8(call.mCodes() + at, signed(call.mMap(), m, mMax));
            u8(call.vCodes() + at, nearest(call.vMap(), vMax == 0 ? 0 : v / vMax));
        }
        Raw.f32(call.mAbsmax() + 4L * block, mMax);
        Raw.f32(call.vAbsmax() + 4L * block, vMax);
    }

    /** The new m of an element; 0 where the gradient is not a number, as bitsandbytes has it. */
    private static float first(EightBit call, long at, float scale, AdamStep step) {
        float g = Raw.f32(call.gradient() + 4 * at) * step.gradientScale();
        if (!Float.isFinite(g)) {
            return 0;
        }
        float old = Raw.f32(call.mMap() + 4L * u8(call.mCodes() + at)) * scale;
        return old * step.beta1() + (1 - step.beta1()) * g;
    }

    private static float second(EightBit call, long at, float scale, AdamStep step) {
        float g = Raw.f32(call.gradient() + 4 * at) * step.gradientScale();
        if (!Float.isFinite(g)) {
            return 0;
        }
        float old = Raw.f32(call.vMap() + 4L * u8(call.vCodes() + at)) * scale;
        return old * step.beta2() + (1 - step.beta2()) * g * g;
    }

    /** The nearest entry, moved by one where rounding would turn m's sign. */
    private static int signed(long map, float m, float max) {
        int code = nearest(map, max == 0 ? 0 : m / max);
        boolean negative = Float.floatToRawIntBits(Raw.f32(map + 4L * code)) < 0;
        if (negative != Float.floatToRawIntBits(m) < 0) {
            code += m > 0 ? 1 : -1;
        }
        return Math.clamp(code, 0, BLOCK - 1);
    }

    private static int u8(long address) {
        return Byte.toUnsignedInt(Raw.ALL.get(ValueLayout.JAVA_BYTE, address));
    }

    private static void u8(long address, int value) {
        Raw.ALL.set(ValueLayout.JAVA_BYTE, address, (byte) value);
    }

    private static int nearest(long map, float value) {
        int low = 0;
        int high = BLOCK - 1;
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            if (Raw.f32(map + 4L * middle) <= value) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return value - Raw.f32(map + 4L * low) <= Raw.f32(map + 4L * high) - value ? low : high;
    }
}
