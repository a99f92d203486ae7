package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.CounterRandom;
import dev.nightshift.tensor.Operands;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TrainingOperands;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.Weight;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.INDArrayIndex;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.ops.transforms.Transforms;

/** Every backward as its formula. Works on the tensors and weights of {@link Nd4jOps}. */
final class Nd4jTraining implements TrainingOps {

    private static INDArray columns(INDArray matrix, long from, long count) {
        return matrix.get(NDArrayIndex.all(), NDArrayIndex.interval(from, from + count));
    }

    /** 0 or 1 / (1 - p) for each element: [rows, columns]. */
    private static INDArray mask(Dropout dropout, int rows, int columns) {
        float[] mask = new float[rows * columns];
        float kept = (float) (1 / (1 - (double) dropout.probability()));
        for (int i = 0; i < mask.length; i++) {
            float u = CounterRandom.uniform(
                    dropout.seed(), CounterRandom.DROPOUT, dropout.firstRow() + i / columns, i % columns);
            mask[i] = u < dropout.probability() ? 0 : kept;
        }
        return HostArrays.array(mask, rows, columns);
    }

    private static INDArray dropped(INDArray x, Dropout dropout) {
        return dropout.probability() == 0 ? x : x.mul(mask(dropout, (int) x.size(0), (int) x.size(1)));
    }

    @Override
    public void loraForward(Tensor y, int column, Tensor x, Tensor h, LoraFactors factors, Dropout dropout) {
        TrainingOperands.lora(y, column, x, h, factors);
        INDArray hidden = dropped(HostArrays.array(x), dropout)
                .mmul(HostArrays.array(factors.a()).transpose()); // [rows, in] -> [rows, rank]
        HostArrays.store(h, hidden);
        INDArray b = HostArrays.array(factors.b());
        INDArray out = HostArrays.array(y);
        columns(out, column, b.size(0)).addi(hidden.mmul(b.transpose()).muli(factors.scale())); // -> [rows, out]
        HostArrays.store(y, out);
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
        TrainingOperands.lora(dy, column, x, h, factors);
        TrainingOperands.loraGradients(dx, da, db, x, h, dh, factors);
        INDArray a = HostArrays.array(factors.a());
        INDArray b = HostArrays.array(factors.b());
        INDArray dOut = columns(HostArrays.array(dy), column, b.size(0)).dup('c'); // [rows, out]
        INDArray hidden = HostArrays.array(h);
        HostArrays.store(
                db, HostArrays.array(db).addi(dOut.transpose().mmul(hidden).muli(factors.scale())));
        INDArray dHidden = dOut.mmul(b).muli(factors.scale()); // -> [rows, rank]
        HostArrays.store(dh, dHidden);
        INDArray input = dropped(HostArrays.array(x), dropout);
        HostArrays.store(da, HostArrays.array(da).addi(dHidden.transpose().mmul(input)));
        if (dx != null) {
            HostArrays.store(dx, HostArrays.array(dx).addi(dropped(dHidden.mmul(a), dropout)));
        }
    }

    @Override
    public void linearBackward(Tensor dx, Tensor dy, Weight weight, boolean accumulate) {
        Nd4jWeight prepared = Nd4jWeight.prepared(weight);
        TrainingOperands.linearBackward(dx, dy, weight);
        INDArray gradient = HostArrays.array(dy);
        INDArray sum = accumulate
                ? HostArrays.array(dx)
                : Nd4j.zeros(DataType.FLOAT, dy.shape().axis(0), weight.columns());
        int first = 0;
        for (Weight part : prepared.parts()) {
            int tileRows = Linear.tileRows(part.columns());
            for (int from = 0; from < part.rows(); from += tileRows) {
                int to = Math.min(part.rows(), from + tileRows);
                INDArray own = columns(gradient, first + from, to - from).dup('c');
                sum.addi(own.mmul(Nd4jWeight.rows(part, from, to))); // [rows, to - from] -> [rows, in]
            }
            first += part.rows();
        }
        HostArrays.store(dx, sum);
    }

    /** {@code s w dy - x s^3 / n * sum(dy w x)}, s = 1 / rms: [rows, size]. */
    private static INDArray normBackward(INDArray dy, INDArray x, INDArray weight, float epsilon) {
        INDArray rms = Transforms.sqrt(x.mul(x).mean(true, 1).addi(epsilon), false); // [rows, 1]
        INDArray weighted = dy.mulRowVector(weight);
        INDArray unit = x.divColumnVector(rms);
        INDArray mean = weighted.mul(unit).mean(true, 1); // sum(dy w x) s / n
        return weighted.subi(unit.muliColumnVector(mean)).diviColumnVector(rms);
    }

    @Override
    public void rmsNormBackward(Tensor dx, Tensor dy, Tensor x, Tensor weight, float epsilon) {
        Operands.rmsNorm(dx, x, weight);
        Operands.rmsNorm(dy, x, weight);
        INDArray gradient = normBackward(HostArrays.array(dy), HostArrays.array(x), HostArrays.array(weight), epsilon);
        HostArrays.store(dx, HostArrays.array(dx).addi(gradient));
    }

    @Override
    public void rope(
            Tensor out, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape) {
        TrainingOperands.rope(out, qkv, cosSin, shape);
        HostArrays.store(out, Attention.rotated(qkv, qNorm, kNorm, epsilon, cosSin, shape));
    }

    @Override
    public void ropeBackward(
            Tensor dqkv, Tensor qkv, Tensor qNorm, Tensor kNorm, float epsilon, Tensor cosSin, AttentionShape shape) {
        TrainingOperands.rope(dqkv, qkv == null ? dqkv : qkv, cosSin, shape);
        INDArray back = Attention.rotatedBack(dqkv, cosSin, shape); // [rows, heads, headDim]
        if (qNorm != null) {
            INDArray input = HostArrays.array(qkv).reshape('c', back.shape());
            normsBackward(back, input, 0, shape.heads(), qNorm, epsilon);
            normsBackward(back, input, shape.heads(), shape.heads() + shape.kvHeads(), kNorm, epsilon);
        }
        HostArrays.store(dqkv, back);
    }

    private static void normsBackward(INDArray gradient, INDArray input, int from, int to, Tensor norm, float epsilon) {
        INDArrayIndex[] heads = {NDArrayIndex.all(), NDArrayIndex.interval(from, to), NDArrayIndex.all()};
        long[] shape = {gradient.size(0), to - from, gradient.size(2)};
        INDArray dy = gradient.get(heads).dup('c').reshape('c', shape[0] * shape[1], shape[2]);
        INDArray x = input.get(heads).dup('c').reshape('c', shape[0] * shape[1], shape[2]);
        gradient.get(heads)
                .assign(normBackward(dy, x, HostArrays.array(norm), epsilon).reshape('c', shape));
    }

    @Override
    public void packedAttention(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to) {
        TrainingOperands.packedAttention(out, logSumExp, qkv, segmentStarts, shape, from, to);
        PackedAttention.forward(out, logSumExp, qkv, segmentStarts, shape, from, to);
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
        TrainingOperands.packedAttention(out, logSumExp, qkv, segmentStarts, shape, from, to);
        TrainingOperands.packedAttention(dout, logSumExp, dqkv, segmentStarts, shape, from, to);
        PackedAttention.backward(dqkv, dout, out, logSumExp, qkv, segmentStarts, shape, from, to);
    }

    /** {@code dGate = dOut up s (1 + gate (1 - s)); dUp = dOut gate s}, s = sigmoid(gate). */
    @Override
    public void swiGluBackward(Tensor dGateUp, Tensor dOut, Tensor gateUp) {
        Operands.swiGlu(dOut, gateUp);
        Operands.swiGlu(dOut, dGateUp);
        long inner = dOut.shape().axis(1);
        INDArray both = HostArrays.array(gateUp);
        INDArray gate = columns(both, 0, inner).dup('c');
        INDArray up = columns(both, inner, inner).dup('c');
        INDArray gradient = HostArrays.array(dOut);
        INDArray sigmoid = Transforms.sigmoid(gate, true);
        INDArray slope = sigmoid.rsub(1).muli(gate).addi(1).muli(sigmoid);
        INDArray out = HostArrays.array(dGateUp);
        columns(out, 0, inner).assign(gradient.mul(up).muli(slope));
        columns(out, inner, inner).assign(gradient.mul(gate).muli(sigmoid));
        HostArrays.store(dGateUp, out);
    }

    @Override
    public void crossEntropy(Tensor losses, Tensor logits, Tensor targets, Tensor weights) {
        TrainingOperands.crossEntropy(losses, logits, targets, weights);
        int[] ids = HostArrays.ints(targets);
        for (int row = 0; row < ids.length; row++) {
            Tensor own = logits.rows(row, row + 1);
            if (ids[row] < 0) {
                losses.data().setAtIndex(HostArrays.F32, row, 0);
                own.data().fill((byte) 0);
                continue;
            }
            INDArray x = HostArrays.array(own); // [1, vocab]
            float target = x.getFloat(0, ids[row]);
            float max = x.maxNumber().floatValue();
            INDArray exp = Transforms.exp(x.subi(max), false);
            double sum = sumOfDoubles(HostArrays.values(exp));
            losses.data().setAtIndex(HostArrays.F32, row, (float) (Math.log(sum) - ((double) target - max)));
            if (weights != null) {
                INDArray gradient = exp.divi(sum);
                gradient.putScalar(0, ids[row], gradient.getFloat(0, ids[row]) - 1);
                HostArrays.store(own, gradient.muli(weights.data().getAtIndex(HostArrays.F32, row)));
            }
        }
    }

    private static double sumOfDoubles(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        return sum;
    }

    @Override
    public void scatterRows(Tensor out, Tensor x, Tensor indices) {
        Operands.gatherRows(x, out, indices);
        int[] rows = HostArrays.ints(indices);
        for (int i = 0; i < rows.length; i++) {
            if (rows[i] >= 0) {
                add(out.rows(rows[i], rows[i] + 1L), x.rows(i, i + 1));
            }
        }
    }

    @Override
    public void add(Tensor out, Tensor x) {
        Operands.transfer(out, x);
        HostArrays.store(out, HostArrays.array(out).addi(HostArrays.array(x)));
    }

    @Override
    public void copy(Tensor out, Tensor x) {
        Operands.transfer(out, x);
        out.data().copyFrom(x.data());
    }

    @Override
    public void zero(Tensor out) {
        out.data().fill((byte) 0);
    }

    @Override
    public void addNoise(Tensor x, float amplitude, long seed, int firstRow) {
        TrainingOperands.matrix("x", x);
        float[] values = HostArrays.floats(x);
        int columns = (int) x.shape().axis(1);
        for (int i = 0; i < values.length; i++) {
            float u = CounterRandom.uniform(seed, CounterRandom.NEFTUNE, firstRow + i / columns, i % columns);
            values[i] += amplitude * (2 * u - 1);
        }
        HostArrays.store(x, 0, values);
    }

    @Override
    public void sumOfSquares(Tensor out, int index, Tensor x) {
        double sum = 0;
        for (float value : HostArrays.floats(x)) {
            sum += (double) value * value;
        }
        out.data().setAtIndex(HostArrays.F32, index, (float) sum);
    }

    @Override
    public void adamW(Tensor param, Tensor gradient, Tensor m, Tensor v, AdamStep step) {
        Operands.transfer(param, gradient);
        Operands.transfer(param, m);
        Operands.transfer(param, v);
        Adam.adamW(param, gradient, m, v, step);
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
        Operands.transfer(param, gradient);
        TrainingOperands.eightBit(param, mCodes, mAbsmax, mMap);
        TrainingOperands.eightBit(param, vCodes, vAbsmax, vMap);
        Adam.adamW8Bit(param, gradient, mCodes, mAbsmax, mMap, vCodes, vAbsmax, vMap, step);
    }
}
