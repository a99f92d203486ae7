package dev.nightshift.tensor;

/** The checks of shape and type before an operation of {@link TrainingOps}; both values stand in the message. */
public final class TrainingOperands {
    /** Elements that share one absmax in 8-bit optimizer state. */
    private static final int STATE_BLOCK = 256;

    private TrainingOperands() {}

    /** F32 with two axes. */
    public static void matrix(String name, Tensor tensor) {
        if (tensor.dtype() != DType.F32 || tensor.shape().rank() != 2) {
            throw new IllegalStateException(
                    "%s is %s %s, expected F32 of 2 axes".formatted(name, tensor.dtype(), tensor.shape()));
        }
    }

    /** Of {@code loraForward}, and of {@code loraBackward} with dy in y's place. */
    public static void lora(Tensor y, int column, Tensor x, Tensor h, TrainingOps.LoraFactors factors) {
        matrix("x", x);
        matrix("y", y);
        matrix("a", factors.a());
        long rows = x.shape().axis(0);
        long rank = factors.a().shape().axis(0);
        Operands.require("a", factors.a(), DType.F32, rank, x.shape().axis(1));
        matrix("b", factors.b());
        Operands.require("b", factors.b(), DType.F32, factors.b().shape().axis(0), rank);
        Operands.require("h", h, DType.F32, rows, rank);
        Operands.require("y", y, DType.F32, rows, y.shape().axis(1));
        long end = column + factors.b().shape().axis(0);
        if (column < 0 || end > y.shape().axis(1)) {
            throw new IllegalStateException("columns %d to %d of y %s".formatted(column, end, y.shape()));
        }
    }

    /** The targets of {@code loraBackward}. */
    public static void loraGradients(
            Tensor dx, Tensor da, Tensor db, Tensor x, Tensor h, Tensor dh, TrainingOps.LoraFactors factors) {
        if (dx != null) {
            Operands.transfer(dx, x);
        }
        Operands.transfer(da, factors.a());
        Operands.transfer(db, factors.b());
        Operands.transfer(dh, h);
    }

    /** Of {@link TrainingOps#linearBackward}. */
    public static void linearBackward(Tensor dx, Tensor dy, Weight weight) {
        matrix("dy", dy);
        long rows = dy.shape().axis(0);
        Operands.require("dy", dy, DType.F32, rows, weight.rows());
        Operands.require("dx", dx, DType.F32, rows, weight.columns());
    }

    /** Of {@link TrainingOps#rope} and its backward. */
    public static void rope(Tensor out, Tensor qkv, Tensor cosSin, AttentionShape shape) {
        matrix("qkv", qkv);
        long rows = qkv.shape().axis(0);
        long width = (shape.heads() + 2L * shape.kvHeads()) * shape.headDim();
        Operands.require("qkv", qkv, DType.F32, rows, width);
        Operands.require("out", out, DType.F32, rows, width);
        Operands.require("cosSin", cosSin, DType.F32, rows, shape.headDim());
    }

    /** Of {@link TrainingOps#packedAttention} and its backward. */
    public static void packedAttention(
            Tensor out, Tensor logSumExp, Tensor qkv, Tensor segmentStarts, AttentionShape shape, int from, int to) {
        matrix("qkv", qkv);
        long rows = qkv.shape().axis(0);
        Operands.require("qkv", qkv, DType.F32, rows, (shape.heads() + 2L * shape.kvHeads()) * shape.headDim());
        Operands.require("out", out, DType.F32, rows, (long) shape.heads() * shape.headDim());
        Operands.require("logSumExp", logSumExp, DType.F32, rows, shape.heads());
        Operands.require("segmentStarts", segmentStarts, DType.I32, rows);
        if (from < 0 || to < from || to > rows) {
            throw new IllegalStateException("rows %d to %d of %d".formatted(from, to, rows));
        }
    }

    /** Of {@link TrainingOps#crossEntropy}. */
    public static void crossEntropy(Tensor losses, Tensor logits, Tensor targets, Tensor weights) {
        matrix("logits", logits);
        long rows = logits.shape().axis(0);
        Operands.require("losses", losses, DType.F32, rows);
        Operands.require("targets", targets, DType.I32, rows);
        if (weights != null) {
            Operands.require("weights", weights, DType.F32, rows);
        }
    }

    /** One moment of 8-bit AdamW. */
    public static void eightBit(Tensor param, Tensor codes, Tensor absmax, Tensor map) {
        long elements = param.shape().elements();
        if (codes.dtype() != DType.U8 || codes.shape().elements() != elements) {
            throw new IllegalStateException(
                    "codes are %s %s of %d parameters".formatted(codes.dtype(), codes.shape(), elements));
        }
        Operands.require("absmax", absmax, DType.F32, (elements + STATE_BLOCK - 1) / STATE_BLOCK);
        Operands.require("map", map, DType.F32, 256);
    }
}
