package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.Tensor;
import java.util.Arrays;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.indexing.INDArrayIndex;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.ops.transforms.Transforms;

/** Causal attention inside the samples of a packed batch; the query rows of one sample go together, head by head. */
final class PackedAttention {
    private PackedAttention() {}

    /** Query rows [from, to) of one sample and the keys [first, to) that they may see. */
    private record Span(int from, int to, int first) {}

    private interface SpanWork {
        void run(Span span);
    }

    private static void eachSample(Tensor segmentStarts, AttentionShape shape, int from, int to, SpanWork work) {
        int[] starts = HostArrays.ints(segmentStarts);
        int row = from;
        while (row < to) {
            int end = row + 1;
            while (end < to && starts[end] == starts[row]) {
                end++;
            }
            int first = shape.window() == 0 ? starts[row] : Math.max(starts[row], row - shape.window() + 1);
            work.run(new Span(row, end, first));
            row = end;
        }
    }

    private static INDArrayIndex[] rowsOfHead(int from, int to, int head) {
        return new INDArrayIndex[] {NDArrayIndex.interval(from, to), NDArrayIndex.point(head), NDArrayIndex.all()};
    }

    /** [rows, headDim] of one head, copied. */
    private static INDArray head(INDArray heads, int from, int to, int head) {
        return heads.get(rowsOfHead(from, to, head)).dup('c').reshape('c', to - from, heads.size(2));
    }

    private static INDArray heads(Tensor tensor, int headDim) {
        INDArray array = HostArrays.array(tensor);
        return array.reshape('c', array.size(0), array.size(1) / headDim, headDim);
    }

    /** {@code scale q k^T}, -infinity where the row does not see the key: [rows, keys]. */
    private static INDArray scores(INDArray q, INDArray k, Span span, AttentionShape shape) {
        int keys = span.to() - span.first();
        float[] bias = new float[(span.to() - span.from()) * keys];
        Arrays.fill(bias, Float.NEGATIVE_INFINITY);
        for (int row = span.from(); row < span.to(); row++) {
            int seen = shape.window() == 0 ? span.first() : Math.max(span.first(), row - shape.window() + 1);
            int at = (row - span.from()) * keys - span.first();
            Arrays.fill(bias, at + seen, at + row + 1, 0f);
        }
        INDArray mask = HostArrays.array(bias, span.to() - span.from(), keys);
        return q.mmul(k.transpose()).muli(shape.scale()).addi(mask);
    }

    static void forward(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to) {
        INDArray all = heads(qkv, shape.headDim());
        INDArray outs = heads(out, shape.headDim());
        INDArray sums = HostArrays.array(logSumExp);
        int group = shape.heads() / shape.kvHeads();
        eachSample(segmentStarts, shape, from, to, span -> {
            for (int head = 0; head < shape.heads(); head++) {
                int keyHead = shape.heads() + head / group;
                INDArray q = head(all, span.from(), span.to(), head);
                INDArray k = head(all, span.first(), span.to(), keyHead);
                INDArray v = head(all, span.first(), span.to(), keyHead + shape.kvHeads());
                INDArray scores = scores(q, k, span, shape);
                INDArray max = scores.max(true, 1);
                INDArray weights = Transforms.exp(scores.subColumnVector(max), false); // [rows, keys]
                INDArray sum = weights.sum(true, 1);
                INDArray lse = Transforms.log(sum, true).addi(max); // [rows, 1]
                INDArray values = weights.diviColumnVector(sum).mmul(v); // -> [rows, headDim]
                outs.get(rowsOfHead(span.from(), span.to(), head)).assign(values);
                sums.get(NDArrayIndex.interval(span.from(), span.to()), NDArrayIndex.point(head))
                        .assign(lse.reshape(lse.length()));
            }
        });
        HostArrays.store(out, outs);
        HostArrays.store(logSumExp, sums);
    }

    /** {@code P = exp(S - lse); dS = P (dO v^T - dO . O); dq += scale dS k; dk += scale dS^T q; dv += P^T dO}. */
    static void backward(
            Tensor dqkv,
            Tensor dout,
            Tensor out,
            Tensor logSumExp,
            Tensor qkv,
            Tensor segmentStarts,
            AttentionShape shape,
            int from,
            int to) {
        INDArray all = heads(qkv, shape.headDim());
        INDArray gradient = heads(dqkv, shape.headDim());
        INDArray outs = heads(out, shape.headDim());
        INDArray dOuts = heads(dout, shape.headDim());
        INDArray sums = HostArrays.array(logSumExp);
        int group = shape.heads() / shape.kvHeads();
        eachSample(segmentStarts, shape, from, to, span -> {
            for (int head = 0; head < shape.heads(); head++) {
                int keyHead = shape.heads() + head / group;
                int valueHead = keyHead + shape.kvHeads();
                INDArray q = head(all, span.from(), span.to(), head);
                INDArray k = head(all, span.first(), span.to(), keyHead);
                INDArray v = head(all, span.first(), span.to(), valueHead);
                INDArray dO = head(dOuts, span.from(), span.to(), head);
                INDArray lse = sums.get(NDArrayIndex.interval(span.from(), span.to()), NDArrayIndex.point(head))
                        .dup('c')
                        .reshape('c', span.to() - span.from(), 1);
                INDArray p = Transforms.exp(scores(q, k, span, shape).subiColumnVector(lse), false); // [rows, keys]
                INDArray dot = head(outs, span.from(), span.to(), head).muli(dO).sum(true, 1);
                INDArray dS =
                        dO.mmul(v.transpose()).subiColumnVector(dot).muli(p).muli(shape.scale());
                gradient.get(rowsOfHead(span.from(), span.to(), head)).addi(dS.mmul(k));
                gradient.get(rowsOfHead(span.first(), span.to(), keyHead))
                        .addi(dS.transpose().mmul(q));
                gradient.get(rowsOfHead(span.first(), span.to(), valueHead))
                        .addi(p.transpose().mmul(dO));
            }
        });
        HostArrays.store(dqkv, gradient);
    }
}
