package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.Weight;
import java.util.Arrays;

/** {@link TrainingOps} of the CPU backend: checks shapes, then hands each operation to its family. */
final class VectorTraining implements TrainingOps, AutoCloseable {
    private final Scratch scratch;
    private final LoraGradients lora;
    private final PackedAttention attention;
    private final TrainingRows rows;
    private final AdamKernels adam;
    private final WeightGradients weights;

    VectorTraining(Workers workers, Kernels kernels) {
        int bits = kernels.bits();
        scratch = new Scratch(workers.threads());
        weights = new WeightGradients(workers, kernels, scratch);
        lora = new LoraGradients(workers, scratch);
        attention = new PackedAttention(workers, kernels.chains());
        rows = new TrainingRows(workers, scratch);
        adam = new AdamKernels(workers, rows);
    }

    @Override
    public void loraForward(Tensor y, int column, Tensor x, Tensor h, LoraFactors factors, Dropout dropout) {
        checkLora(y, column, x, h, factors);
        lora.forward(y, column, x, h, factors, dropout);
    }

    @Override
    public void loraBackward(
            Tensor dx,
            Tensor da,
            Tensor db,
            Tensor dy,
            int column,
            Tensor x,
            Tensor h,
            Tensor dh,
            LoraFactors factors,
            Dropout dropout) {
        checkLora(dy, column, x, h, factors);
        same("dh", dh, h);
        same("da", da, factors.a());
        same("db", db, factors.b());
        if (dx != null) {
            same("dx", dx, x);
        }
        lora.backward(dx, da, db, dy, column, x, h, dh, factors, dropout);
    }

    private static void checkLora(Tensor y, int column, Tensor x, Tensor h, LoraFactors factors) {
        long rank = factors.a().shape().axis(0);
        long out = factors.b().shape().axis(0);
        shape("a", factors.a(), rank, x.shape().axis(1));
        shape("b", factors.b(), out, rank);
        shape("h", h, x.shape().axis(0), rank);
        shape("x", x, x.shape().axis(0), x.shape().axis(1));
        if (y.shape().axis(0) != x.shape().axis(0)
                || column < 0
                || column + out > y.shape().axis(1)) {
            throw new IllegalStateException(
                    "columns %d to %d of %s for x of %s".formatted(column, column + out, y.shape(), x.shape()));
        }
    }

    @Override
    public void linearBackward(Tensor dx, Tensor dy, Weight weight, boolean accumulate) {
        shape("dy", dy, dy.shape().axis(0), weight.rows());
        shape("dx", dx, dy.shape().axis(0), weight.columns());
        weights.run(dx, dy, VectorOps.prepared(weight), accumulate);
    }

    @Override
    public void rmsNormBackward(Tensor dx, Tensor dy, Tensor x, Tensor weight, float epsilon) {
        same("dx", dx, x);
        same("dy", dy, x);
        shape("weight", weight, x.shape().axis(1));
        rows.rmsNormBackward(dx, dy, x, weight, epsilon);
    }

    @Override
    public void rope(
            Tensor out, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape) {
        same("out", out, qkv);
        checkQkv(qkv, shape);
        shape("cosSin", cosSin, qkv.shape().axis(0), shape.headDim());
        rows.rope(out, qkv, qNorm, kNorm, epsilon, cosSin, shape);
    }

    @Override
    public void ropeBackward(
            Tensor dqkv, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape) {
        checkQkv(dqkv, shape);
        shape("cosSin", cosSin, dqkv.shape().axis(0), shape.headDim());
        if (qNorm != null) {
            same("qkv", qkv, dqkv);
        }
        rows.ropeBackward(dqkv, qkv, qNorm, kNorm, epsilon, cosSin, shape);
    }

    @Override
    public void packedAttention(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to) {
        checkAttention(out, logSumExp, qkv, segmentStarts, shape, from, to);
        attention.forward(out, logSumExp, qkv, segmentStarts, shape, from, to);
    }

    @Override
    public void packedAttentionBackward(
            Tensor dqkv,
            Tensor dout,
            Tensor out,
            Tensor logSumExp,
            Tensor qkv,
            Tensor segmentStarts,
            AttentionShape shape,
            int from,
            int to) {
        checkAttention(out, logSumExp, qkv, segmentStarts, shape, from, to);
        same("dqkv", dqkv, qkv);
        same("dout", dout, out);
        attention.backward(dqkv, dout, out, logSumExp, qkv, segmentStarts, shape, from, to);
    }

    private static void checkAttention(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor starts, AttentionShape shape, int from, int to) {
        long tokens = qkv.shape().axis(0);
        checkQkv(qkv, shape);
        shape("out", out, tokens, (long) shape.heads() * shape.headDim());
        shape("logSumExp", logSumExp, tokens, shape.heads());
        shape("segmentStarts", starts, tokens);
        if (from < 0 || to < from || to > tokens) {
            throw new IllegalStateException("rows %d to %d of %d".formatted(from, to, tokens));
        }
    }

    private static void checkQkv(Tensor qkv, AttentionShape shape) {
        shape("qkv", qkv, qkv.shape().axis(0), (shape.heads() + 2L * shape.kvHeads()) * shape.headDim());
    }

    @Override
    public void swiGluBackward(Tensor dGateUp, Tensor dOut, Tensor gateUp) {
        same("dGateUp", dGateUp, gateUp);
        shape("gateUp", gateUp, dOut.shape().axis(0), 2 * dOut.shape().axis(1));
        rows.swiGluBackward(dGateUp, dOut, gateUp);
    }

    @Override
    public void crossEntropy(Tensor losses, Tensor logits, Tensor targets, Tensor weights) {
        long count = logits.shape().axis(0);
        shape("losses", losses, count);
        shape("targets", targets, count);
        if (weights != null) {
            shape("weights", weights, count);
        }
        rows.crossEntropy(losses, logits, targets, weights);
    }

    @Override
    public void scatterRows(Tensor out, Tensor x, Tensor indices) {
        shape("indices", indices, x.shape().axis(0));
        shape("out", out, out.shape().axis(0), x.shape().axis(1));
        rows.scatterRows(out, x, indices);
    }

    @Override
    public void add(Tensor out, Tensor x) {
        same("out", out, x);
        rows.add(out, x);
    }

    @Override
    public void copy(Tensor out, Tensor x) {
        same("out", out, x);
        Raw.copy(Raw.address(x), Raw.address(out), x.bytes());
    }

    @Override
    public void zero(Tensor out) {
        Raw.fill(Raw.address(out), out.bytes());
    }

    @Override
    public void addNoise(Tensor x, float amplitude, long seed, int firstRow) {
        rows.addNoise(x, amplitude, seed, firstRow);
    }

    @Override
    public void sumOfSquares(Tensor out, int index, Tensor x) {
        if (index < 0 || index >= out.shape().elements()) {
            throw new IllegalStateException("index %d of %s".formatted(index, out.shape()));
        }
        rows.sumOfSquares(out, index, x);
    }

    @Override
    public void adamW(Tensor param, Tensor gradient, Tensor m, Tensor v, AdamStep step) {
        same("gradient", gradient, param);
        same("m", m, param);
        same("v", v, param);
        adam.adamW(param, gradient, m, v, step);
    }

    @Override
    public void adamW8Bit(
            Tensor param,
            Tensor gradient,
            Tensor mCodes,
            Tensor mAbsmax,
            Tensor mMap,
            Tensor vCodes,
            Tensor vAbsmax,
            Tensor vMap,
            AdamStep step) {
        same("gradient", gradient, param);
        long blocks = (param.shape().elements() + 255) / 256;
        elements("mCodes", mCodes, param.shape().elements());
        elements("vCodes", vCodes, param.shape().elements());
        elements("mAbsmax", mAbsmax, blocks);
        elements("vAbsmax", vAbsmax, blocks);
        elements("mMap", mMap, 256);
        elements("vMap", vMap, 256);
        adam.adamW8Bit(param, gradient, mCodes, mAbsmax, mMap, vCodes, vAbsmax, vMap, step);
    }

    private static void shape(String name, Tensor tensor, long... axes) {
        boolean right = tensor.shape().rank() == axes.length;
        for (int i = 0; right && i < axes.length; i++) {
            right = tensor.shape().axis(i) == axes[i];
        }
        if (!right) {
            throw new IllegalStateException(
                    "%s of shape %s, expected %s".formatted(name, tensor.shape(), Arrays.toString(axes)));
        }
    }

    private static void same(String name, Tensor tensor, Tensor other) {
        if (!tensor.shape().equals(other.shape()) || tensor.dtype() != DType.F32) {
            throw new IllegalStateException(
                    "%s: %s %s, expected F32 %s".formatted(name, tensor.dtype(), tensor.shape(), other.shape()));
        }
    }

    private static void elements(String name, Tensor tensor, long count) {
        if (tensor.shape().elements() != count) {
            throw new IllegalStateException(
                    "%s of shape %s, expected %d elements".formatted(name, tensor.shape(), count));
        }
    }

    @Override
    public void close() {
        scratch.close();
    }
}
