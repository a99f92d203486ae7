package dev.nightshift.train;

import dev.nightshift.model.LoraParameter;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.tensor.CounterRandom;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps.LoraFactors;
import java.util.ArrayList;
import java.util.List;

/** Trainable parameters on the device and on the host. */
public final class AdapterParameters {
    /**
     * One target's factors on the host, F32.
     *
     * @param a [rank, in]
     * @param b [out, rank]
     */
    public record HostFactors(int target, float scale, Tensor a, Tensor b) {}

    private AdapterParameters() {}

    /** A new adapter as PEFT starts one: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt 5), B zero; a function of the seed alone. */
    public static List<HostFactors> fresh(ModelConfig config, AdapterShape shape, long seed) {
        List<HostFactors> factors = new ArrayList<>();
        for (int target : shape.targets(config)) {
            int projection = target % LoraTargets.PER_LAYER;
            int inputs = AdapterShape.inputs(config, projection);
            float[] a = new float[shape.rank() * inputs];
            double bound = 1 / Math.sqrt(inputs);
            for (int i = 0; i < a.length; i++) {
                a[i] = (float) (bound * (2 * CounterRandom.uniform(seed + target, i) - 1));
            }
            float[] b = new float[AdapterShape.outputs(config, projection) * shape.rank()];
            factors.add(new HostFactors(
                    target,
                    shape.scale(),
                    HostRows.of(a).reshape(shape.rank(), inputs),
                    HostRows.of(b).reshape(AdapterShape.outputs(config, projection), shape.rank())));
        }
        return factors;
    }

    /** Puts factors into an arena, each with room for its gradients. */
    public static List<LoraParameter> upload(TensorOps ops, TrainingArena arena, List<HostFactors> factors) {
        List<LoraParameter> parameters = new ArrayList<>();
        for (HostFactors host : factors) {
            Tensor a = like(arena, host.a());
            Tensor b = like(arena, host.b());
            ops.upload(a, host.a());
            ops.upload(b, host.b());
            parameters.add(new LoraParameter(
                    host.target(), new LoraFactors(a, b, host.scale()), like(arena, host.a()), like(arena, host.b())));
        }
        return parameters;
    }

    /** Copies parameters to the host. */
    public static List<HostFactors> download(TensorOps ops, List<LoraParameter> parameters) {
        List<HostFactors> factors = new ArrayList<>();
        for (LoraParameter parameter : parameters) {
            factors.add(new HostFactors(
                    parameter.target(),
                    parameter.factors().scale(),
                    host(ops, parameter.factors().a()),
                    host(ops, parameter.factors().b())));
        }
        return factors;
    }

    private static Tensor like(TrainingArena arena, Tensor tensor) {
        return arena.take(DType.F32, tensor.shape().axis(0), tensor.shape().axis(1));
    }

    private static Tensor host(TensorOps ops, Tensor tensor) {
        Tensor copy =
                HostRows.empty(DType.F32, tensor.shape().axis(0), tensor.shape().axis(1));
        ops.readback(copy, tensor);
        return copy;
    }
}
