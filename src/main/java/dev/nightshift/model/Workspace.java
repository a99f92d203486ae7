package dev.nightshift.model;

import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;

/**
 * Activations of one step, allocated once at the largest size; a bucket uses the first rows.
 *
 * @param residual [tokens, hidden] what layers add to
 * @param normed [tokens, hidden] input of the linears
 * @param branch [tokens, hidden] output of attention or MLP, not yet added
 * @param qkv [tokens, (heads + 2 * kvHeads) * headDim]
 * @param attended [tokens, heads * headDim]
 * @param gateUp [tokens, 2 * inner]
 * @param activated [tokens, inner]
 * @param picked [logitRows, hidden]
 * @param logits [logitRows, vocab]
 * @param loraScratch [tokens, 3 * rankMax], null without adapter slots
 */
record Workspace(
        Tensor residual,
        Tensor normed,
        Tensor branch,
        Tensor qkv,
        Tensor attended,
        Tensor gateUp,
        Tensor activated,
        Tensor picked,
        Tensor logits,
        Tensor loraScratch) {

    static Workspace allocate(TensorOps ops, ModelConfig config, BatchLimits limits, int rankMax) {
        int rows = limits.rows();
        return new Workspace(
                floats(ops, rows, config.hiddenSize()),
                floats(ops, rows, config.hiddenSize()),
                floats(ops, rows, config.hiddenSize()),
                floats(ops, rows, config.qkvSize()),
                floats(ops, rows, config.heads() * config.headDim()),
                floats(ops, rows, 2 * config.intermediateSize()),
                floats(ops, rows, config.intermediateSize()),
                floats(ops, limits.logitRows(), config.hiddenSize()),
                floats(ops, limits.logitRows(), config.vocabSize()),
                rankMax == 0 ? null : floats(ops, Math.max(rows, limits.logitRows()), 3 * rankMax));
    }

    private static Tensor floats(TensorOps ops, int rows, int columns) {
        return ops.allocate(MemoryPart.WORKSPACE, DType.F32, Shape.of(rows, columns));
    }

    /** The first rows of every tensor. */
    Workspace first(int rows, int logitRows) {
        return new Workspace(
                residual.rows(0, rows),
                normed.rows(0, rows),
                branch.rows(0, rows),
                qkv.rows(0, rows),
                attended.rows(0, rows),
                gateUp.rows(0, rows),
                activated.rows(0, rows),
                picked.rows(0, logitRows),
                logits.rows(0, logitRows),
                loraScratch);
    }

    /** Room for A x of {@code parts} parts: [rows, parts * rankMax]. */
    Tensor scratch(int rows, int parts) {
        long columns = loraScratch.shape().axis(1) / 3 * parts;
        return new Tensor(
                loraScratch.data().asSlice(0, rows * columns * DType.F32.bytes()), DType.F32, Shape.of(rows, columns));
    }
}
