package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.AttentionRows;
import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.KvLayout;
import dev.nightshift.tensor.LoraRows;
import dev.nightshift.tensor.SamplingRows;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TokenScores;

/** Shapes and types, looked at before the kernels, which trust addresses. Nothing is allocated where all is well. */
final class Check {
    private Check() {}

    static Shape tensor(String name, Tensor tensor, DType dtype, int rank) {
        if (tensor.dtype() != dtype || tensor.shape().rank() != rank) {
            throw new IllegalStateException(
                    "%s is %s %s, needs %s of rank %d".formatted(name, tensor.dtype(), tensor.shape(), dtype, rank));
        }
        return tensor.shape();
    }

    static void shape(String name, Tensor tensor, DType dtype, long axis) {
        if (tensor(name, tensor, dtype, 1).axis(0) != axis) {
            throw new IllegalStateException("%s is %s, needs [%d]".formatted(name, tensor.shape(), axis));
        }
    }

    static void shape(String name, Tensor tensor, DType dtype, long axis0, long axis1) {
        Shape shape = tensor(name, tensor, dtype, 2);
        if (shape.axis(0) != axis0 || shape.axis(1) != axis1) {
            throw new IllegalStateException("%s is %s, needs [%d, %d]".formatted(name, shape, axis0, axis1));
        }
    }

    static void shape(String name, Tensor tensor, DType dtype, Shape wanted) {
        if (!tensor(name, tensor, dtype, wanted.rank()).equals(wanted)) {
            throw new IllegalStateException("%s is %s, needs %s".formatted(name, tensor.shape(), wanted));
        }
    }

    private static void atLeast(String name, long value, long needed) {
        if (value < needed) {
            throw new IllegalStateException("%s is %d, needs %d at least".formatted(name, value, needed));
        }
    }

    /** @param factors whether low-rank factors count, so that scratch is needed */
    static void lora(LoraRows lora, long rows, int parts, boolean factors) {
        if (lora == null) {
            return;
        }
        shape("rowSlots", lora.rowSlots(), DType.I32, rows);
        tensor("entries", lora.table().entries(), DType.I64, 3);
        long targets = lora.table().entries().shape().axis(1);
        atLeast("first target", lora.firstTarget(), 0);
        atLeast("targets", targets, (long) lora.firstTarget() + parts);
        if (factors) {
            Shape scratch = tensor("LoRA scratch", lora.scratch(), DType.F32, 2);
            atLeast("rows of the LoRA scratch", scratch.axis(0), rows);
            atLeast(
                    "width of the LoRA scratch",
                    scratch.axis(1),
                    (long) parts * lora.table().rankMax());
        }
    }

    /** Returns the number of rows. */
    static long attention(
            Tensor qkv, AttentionRows rows, AttentionShape shape, Tensor kvCache, KvLayout layout, int layer) {
        long count = tensor("qkv", qkv, DType.F32, 2).axis(0);
        shape("qkv", qkv, DType.F32, count, (shape.heads() + 2L * shape.kvHeads()) * shape.headDim());
        shape("positions", rows.positions(), DType.I32, count);
        shape("sequences", rows.sequences(), DType.I32, count);
        shape("slots", rows.slots(), DType.I32, count);
        shape("cosSin", rows.cosSin(), DType.F32, count, shape.headDim());
        tensor("blockTables", rows.blockTables(), DType.I32, 2);
        shape(
                "kvCache",
                kvCache,
                DType.U8,
                tensor("kvCache", kvCache, DType.U8, 2).axis(0),
                layout.blockBytes());
        if (shape.kvHeads() != layout.kvHeads() || shape.headDim() != layout.headDim()) {
            throw new IllegalStateException("attention over %d heads of %d, cache of %d heads of %d"
                    .formatted(shape.kvHeads(), shape.headDim(), layout.kvHeads(), layout.headDim()));
        }
        if (layer < 0 || layer >= layout.layers()) {
            throw new IllegalStateException("layer %d of %d".formatted(layer, layout.layers()));
        }
        return count;
    }

    static void scores(TokenScores out, Tensor logits) {
        long count = tensor("logits", logits, DType.F32, 2).axis(0);
        shape("ids", out.ids(), DType.I32, count);
        shape("logprobs", out.logprobs(), DType.F32, count);
        Shape top = tensor("topIds", out.topIds(), DType.I32, 2);
        shape("topIds", out.topIds(), DType.I32, count, top.axis(1));
        shape("topLogprobs", out.topLogprobs(), DType.F32, count, top.axis(1));
    }

    static void sampling(SamplingRows rows, long count, long vocabulary) {
        shape("temperature", rows.temperature(), DType.F32, count);
        shape("topK", rows.topK(), DType.I32, count);
        shape("topP", rows.topP(), DType.F32, count);
        shape("minP", rows.minP(), DType.F32, count);
        shape("repetitionPenalty", rows.repetitionPenalty(), DType.F32, count);
        shape("presencePenalty", rows.presencePenalty(), DType.F32, count);
        shape("frequencyPenalty", rows.frequencyPenalty(), DType.F32, count);
        shape("seeds", rows.seeds(), DType.I64, count);
        shape("counters", rows.counters(), DType.I64, count);
        long biases = tensor("biasIds", rows.biasIds(), DType.I32, 2).axis(1);
        shape("biasIds", rows.biasIds(), DType.I32, count, biases);
        shape("biases", rows.biases(), DType.F32, count, biases);
        shape("historySlots", rows.historySlots(), DType.I32, count);
        shape(
                "history",
                rows.history(),
                DType.I32,
                tensor("history", rows.history(), DType.I32, 2).axis(0),
                vocabulary);
        shape("maskSlots", rows.maskSlots(), DType.I32, count);
        long masks = tensor("masks", rows.masks(), DType.I32, 2).axis(0);
        shape("masks", rows.masks(), DType.I32, masks, (vocabulary + 31) / 32);
    }
}
