package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.Tensor;

/** Addresses and strides of one call of {@link PackedAttention}: rows [from, to) of a packed batch. */
record PackedCall(
        long qkv,
        long stride,
        long out,
        long dOut,
        long logSumExp,
        long starts,
        AttentionShape shape,
        int from,
        int to) {

    static PackedCall of(
            Tensor out,
            Tensor dOut,
            Tensor logSumExp,
            Tensor qkv,
            Tensor starts,
            AttentionShape shape,
            int from,
            int to) {
        return new PackedCall(
                Raw.address(qkv),
                4L * qkv.shape().axis(1),
                Raw.address(out),
                dOut == null ? 0 : Raw.address(dOut),
                Raw.address(logSumExp),
                Raw.address(starts),
                shape,
                from,
                to);
    }

    PackedCall rows(int from, int to) {
        return new PackedCall(qkv, stride, out, dOut, logSumExp, starts, shape, from, to);
    }

    int dim() {
        return shape.headDim();
    }

    /** Query heads of a kv head. */
    int group() {
        return shape.heads() / shape.kvHeads();
    }

    long q(int row, int head) {
        return qkv + row * stride + 4L * head * dim();
    }

    long k(int row, int kvHead) {
        return qkv + row * stride + 4L * (shape.heads() + kvHead) * dim();
    }

    long v(int row, int kvHead) {
        return k(row, shape.kvHeads() + kvHead);
    }

    /** Of an output or its gradient. */
    long heads(long base, int row, int head) {
        return base + 4L * ((long) row * shape.heads() + head) * dim();
    }

    /** Address of the log of a row's sum. */
    long lse(int row, int head) {
        return logSumExp + 4L * ((long) row * shape.heads() + head);
    }

    int firstKey(int row) {
        int start = Raw.i32(starts + 4L * row);
        return shape.window() == 0 ? start : Math.max(start, row - shape.window() + 1);
    }

    /** The lowest key that rows [from, to) see. */
    int firstKey(int from, int to) {
        int first = from;
        for (int row = from; row < to; row++) {
            first = Math.min(first, firstKey(row));
        }
        return first;
    }
}
