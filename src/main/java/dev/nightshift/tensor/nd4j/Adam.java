package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TrainingOps.AdamStep;
import java.lang.foreign.ValueLayout;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.ops.transforms.Transforms;

/** AdamW on 32-bit state (torch) and on 8-bit state in blocks of 256 elements (bitsandbytes, qlora.md section 2.5). */
final class Adam {
    private static final int BLOCK = 256;

    private Adam() {}

    static void adamW(Tensor param, Tensor gradient, Tensor m, Tensor v, AdamStep step) {
        INDArray g = HostArrays.array(gradient).muli(step.gradientScale());
        INDArray ms = HostArrays.array(m).muli(step.beta1()).addi(g.mul(1 - step.beta1()));
        INDArray vs = HostArrays.array(v).muli(step.beta2()).addi(g.mul(g).muli(1 - step.beta2()));
        INDArray denominator = Transforms.sqrt(vs, true)
                .divi(Math.sqrt(1 - Math.pow(step.beta2(), step.step())))
                .addi(step.epsilon());
        double rate = step.learningRate() / (1 - Math.pow(step.beta1(), step.step()));
        INDArray params = HostArrays.array(param)
                .muli(1 - (double) step.learningRate() * step.weightDecay())
                .subi(ms.div(denominator).muli(rate));
        HostArrays.store(param, params);
        HostArrays.store(m, ms);
        HostArrays.store(v, vs);
    }

    /** Coded state of one moment: {@code map[codes[i]] * absmax[i / 256]}. */
    private record Coded(Tensor codes, Tensor absmax, float[] map, boolean signed) {
        float at(int i) {
            int code = codes.data().get(ValueLayout.JAVA_BYTE, i) & 0xFF;
            return map[code] * absmax.data().getAtIndex(HostArrays.F32, i / BLOCK);
        }

        /** The block's new values, each as the nearest entry of the map. */
        void store(int block, float[] values) {
            float max = 0;
            for (float value : values) {
                max = Math.max(max, Math.abs(value));
            }
            absmax.data().setAtIndex(HostArrays.F32, block, max);
            for (int i = 0; i < values.length; i++) {
                int code = nearest(max == 0 ? 0 : values[i] / max);
                codes.data().set(ValueLayout.JAVA_BYTE, (long) block * BLOCK + i, (byte) code);
            }
        }

        private int nearest(float value) {
            int best = 0;
            for (int i = 1; i < map.length; i++) {
                if (Math.abs(map[i] - value) < Math.abs(map[best] - value)) {
                    best = i;
                }
            }
            // a moment keeps its sign; zero counts as positive
            return signed && value < 0 && map[best] >= 0 ? best - 1 : best;
        }
    }

    static void adamW8Bit(
            Tensor param,
            Tensor gradient,
            Tensor mCodes,
            Tensor mAbsmax,
            Tensor mMap,
            Tensor vCodes,
            Tensor vAbsmax,
            Tensor vMap,
            AdamStep step) {
        float[] params = HostArrays.floats(param);
        float[] gradients = HostArrays.floats(gradient);
        Coded m = new Coded(mCodes, mAbsmax, HostArrays.floats(mMap), true);
        Coded v = new Coded(vCodes, vAbsmax, HostArrays.floats(vMap), false);
        for (int block = 0; block * BLOCK < params.length; block++) {
            int from = block * BLOCK;
            int count = Math.min(BLOCK, params.length - from);
            float[] ms = new float[count];
            float[] vs = new float[count];
            for (int i = 0; i < count; i++) {
                float g = gradients[from + i] * step.gradientScale();
                // state of what is not finite becomes zero, its parameter stays
                if (Float.isFinite(g)) {
                    ms[i] = m.at(from + i) * step.beta1() + (1 - step.beta1()) * g;
                    vs[i] = v.at(from + i) * step.beta2() + (1 - step.beta2()) * g * g;
                    params[from + i] = moved(params[from + i], ms[i], vs[i], step);
                }
            }
            m.store(block, ms);
            v.store(block, vs);
        }
        HostArrays.store(param, 0, params);
    }

    private static float moved(float param, float m, float v, AdamStep step) {
        double correction1 = 1 - Math.pow(step.beta1(), step.step());
        double correction2 = Math.sqrt(1 - Math.pow(step.beta2(), step.step()));
        double change =
                step.learningRate() * correction2 / correction1 * (m / (Math.sqrt(v) + step.epsilon() * correction2));
        return (float) ((param - change) * (1 - (double) step.learningRate() * step.weightDecay()));
    }
}
