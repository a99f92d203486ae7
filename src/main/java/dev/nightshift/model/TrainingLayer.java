package dev.nightshift.model;

import dev.nightshift.tensor.AttentionShape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.TrainingOps.Dropout;
import dev.nightshift.tensor.Weight;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * One decoder layer in training: forward and backward side by side, cut into row chunks so that a stage stays short. The base
 * is frozen; gradients go to the adapters' A and B and to the layer's input (QLoRA, arXiv 2305.14314, equation 5).
 *
 * <p>Forward: {@link #project} for all chunks, then {@link #mix} for all chunks. Backward: {@link #mixBackward} for all
 * chunks, then {@link #projectBackward} for all chunks. Chunks run in rising order of rows.
 */
public final class TrainingLayer {
    private final TensorOps ops;
    private final TrainingOps back;
    private final ModelConfig config;
    private final LayerWeights weights;
    private final int layer;
    private final LoraParameter[] adapted;
    private final float dropout;
    private final AttentionShape shape;
    private final LayerScratch scratch;

    /** @param adapted the seven targets in the order of {@link LoraTargets}, null where a linear is not adapted */
    public TrainingLayer(
            TensorOps ops,
            TrainingOps back,
            ModelConfig config,
            LayerWeights weights,
            int layer,
            LoraParameter[] adapted,
            float dropout,
            LayerScratch scratch) {
        this.ops = ops;
        this.back = back;
        this.config = config;
        this.weights = weights;
        this.layer = layer;
        this.adapted = adapted.clone();
        this.dropout = dropout;
        this.scratch = scratch;
        this.shape =
                new AttentionShape(config.heads(), config.kvHeads(), config.headDim(), config.window(layer), (float)
                        (1 / Math.sqrt(config.headDim())));
    }

    // ---- forward

    /** Norm, q, k, v and rotary embedding of rows [from, to): {@code x -> activations.qkv}. */
    public void project(Tensor x, LayerActivations kept, PackedRows rows, boolean withAdapter, int from, int to) {
        Tensor normed = scratch.normed().rows(0, to - from);
        Tensor qkvInput = kept.qkvInput().rows(from, to);
        ops.rmsNorm(normed, x.rows(from, to), weights.inputNorm(), config.rmsNormEpsilon()); // [chunk, hidden]
        ops.linear(qkvInput, normed, weights.qkv(), weights.qkvBias(), null); // -> [chunk, qkv]
        if (withAdapter) {
            for (int p = LoraTargets.Q; p <= LoraTargets.V; p++) {
                adapt(qkvInput, qkvColumn(p), normed, kept, p, rows, from);
            }
        }
        back.rope(
                kept.qkv().rows(from, to),
                qkvInput,
                weights.qNorm(),
                weights.kNorm(),
                config.rmsNormEpsilon(),
                rows.cosSin().rows(from, to),
                shape);
    }

    /** Attention, o, and the MLP of rows [from, to); {@code out} [tokens, hidden] is the layer's output, or null when only the activations are wanted again. */
    public void mix(
            Tensor out, Tensor x, LayerActivations kept, PackedRows rows, boolean withAdapter, int from, int to) {
        int chunk = to - from;
        Tensor attention = kept.attention().rows(from, to);
        Tensor middle = kept.middle().rows(from, to);
        Tensor gateUp = kept.gateUp().rows(from, to);
        Tensor normed = scratch.normed().rows(0, chunk);
        Tensor wide = scratch.wide().rows(0, chunk);
        Tensor active = scratch.active().rows(0, chunk);
        back.packedAttention(
                kept.attention().rows(0, rows.tokens()),
                kept.logSumExp().rows(0, rows.tokens()),
                kept.qkv().rows(0, rows.tokens()),
                rows.segmentStarts(),
                shape,
                from,
                to); // [chunk, heads * headDim]
        ops.linear(wide, attention, weights.output(), weights.outputBias(), null); // -> [chunk, hidden]
        if (withAdapter) {
            adapt(wide, 0, attention, kept, LoraTargets.O, rows, from);
        }
        back.copy(middle, x.rows(from, to));
        back.add(middle, wide);
        ops.rmsNorm(normed, middle, weights.postNorm(), config.rmsNormEpsilon());
        ops.linear(gateUp, normed, weights.gateUp(), weights.gateUpBias(), null); // -> [chunk, 2 * inner]
        if (withAdapter) {
            adapt(gateUp, 0, normed, kept, LoraTargets.GATE, rows, from);
            adapt(gateUp, config.intermediateSize(), normed, kept, LoraTargets.UP, rows, from);
        }
        ops.swiGlu(active, gateUp); // -> [chunk, inner]
        if (out != null) {
            ops.linear(wide, active, weights.down(), weights.downBias(), null); // -> [chunk, hidden]
        }
        if (withAdapter) {
            adapt(
                    wide,
                    0,
                    active,
                    kept,
                    LoraTargets.DOWN,
                    rows,
                    from); // backward needs its A x even where out is known
        }
        if (out != null) {
            back.copy(out.rows(from, to), middle);
            back.add(out.rows(from, to), wide);
        }
    }

    // ---- backward

    /**
     * Backward of {@link #mix}: {@code gradient} holds dOut of rows [from, to) and is turned into the gradient of the
     * residual after attention's input; adds to {@code scratch.dQkv}, which {@link #beginBackward} zeroed.
     */
    public void mixBackward(Tensor gradient, LayerActivations kept, PackedRows rows, int from, int to) {
        int chunk = to - from;
        Tensor dOut = gradient.rows(from, to);
        Tensor middle = kept.middle().rows(from, to);
        Tensor gateUp = kept.gateUp().rows(from, to);
        Tensor active = scratch.active().rows(0, chunk);
        Tensor dActive = scratch.dActive().rows(0, chunk);
        Tensor dGateUp = scratch.dGateUp().rows(0, chunk);
        Tensor normed = scratch.normed().rows(0, chunk);
        Tensor dNormed = scratch.dNormed().rows(0, chunk);
        Tensor dAttention = scratch.dAttention().rows(from, to);
        ops.swiGlu(active, gateUp); // again: [chunk, inner]
        back.linearBackward(dActive, dOut, weights.down(), false); // of down
        adaptBackward(dActive, dOut, 0, active, kept, LoraTargets.DOWN, rows, from);
        back.swiGluBackward(dGateUp, dActive, gateUp); // of swiGlu
        ops.rmsNorm(normed, middle, weights.postNorm(), config.rmsNormEpsilon()); // again
        back.linearBackward(dNormed, dGateUp, weights.gateUp(), false); // of gate, up
        adaptBackward(dNormed, dGateUp, 0, normed, kept, LoraTargets.GATE, rows, from);
        adaptBackward(dNormed, dGateUp, config.intermediateSize(), normed, kept, LoraTargets.UP, rows, from);
        back.rmsNormBackward(
                dOut, dNormed, middle, weights.postNorm(), config.rmsNormEpsilon()); // of the norm and its residual
        back.linearBackward(dAttention, dOut, weights.output(), false); // of o
        adaptBackward(dAttention, dOut, 0, kept.attention().rows(from, to), kept, LoraTargets.O, rows, from);
        back.packedAttentionBackward(
                scratch.dQkv().rows(0, rows.tokens()),
                scratch.dAttention().rows(0, rows.tokens()),
                kept.attention().rows(0, rows.tokens()),
                kept.logSumExp().rows(0, rows.tokens()),
                kept.qkv().rows(0, rows.tokens()),
                rows.segmentStarts(),
                shape,
                from,
                to); // of attention
    }

    /** Before the first chunk of {@link #mixBackward}. */
    public void beginBackward(PackedRows rows) {
        back.zero(scratch.dQkv().rows(0, rows.tokens()));
    }

    /**
     * Backward of {@link #project}: {@code gradient} of rows [from, to) becomes the gradient of the layer's input.
     *
     * @param wanted false in the lowest layer, below which nothing learns
     */
    public void projectBackward(
            Tensor gradient, Tensor x, LayerActivations kept, PackedRows rows, boolean wanted, int from, int to) {
        Tensor dQkv = scratch.dQkv().rows(from, to);
        Tensor normed = scratch.normed().rows(0, to - from);
        Tensor dNormed = scratch.dNormed().rows(0, to - from);
        back.ropeBackward(
                dQkv,
                weights.qNorm() == null ? null : kept.qkvInput().rows(from, to),
                weights.qNorm(),
                weights.kNorm(),
                config.rmsNormEpsilon(),
                rows.cosSin().rows(from, to),
                shape); // of rope
        ops.rmsNorm(normed, x.rows(from, to), weights.inputNorm(), config.rmsNormEpsilon()); // again
        if (wanted) {
            back.linearBackward(dNormed, dQkv, weights.qkv(), false); // of q, k, v
        }
        for (int p = LoraTargets.Q; p <= LoraTargets.V; p++) {
            adaptBackward(wanted ? dNormed : null, dQkv, qkvColumn(p), normed, kept, p, rows, from);
        }
        if (wanted) {
            back.rmsNormBackward(
                    gradient.rows(from, to), dNormed, x.rows(from, to), weights.inputNorm(), config.rmsNormEpsilon());
        }
    }

    // ---- cost

    /** Floating-point operations of one row in {@link #project}; the backward costs as much again, plus the adapters. */
    public double projectCost() {
        return 2.0 * size(weights.qkv());
    }

    /** Of one row in {@link #mix}, attention apart. */
    public double mixCost() {
        return 2.0 * (size(weights.output()) + size(weights.gateUp()) + size(weights.down()));
    }

    private static double size(Weight weight) {
        return (double) weight.rows() * weight.columns();
    }

    // ---- adapters

    private int qkvColumn(int projection) {
        return switch (projection) {
            case LoraTargets.Q -> 0;
            case LoraTargets.K -> config.heads() * config.headDim();
            case LoraTargets.V -> (config.heads() + config.kvHeads()) * config.headDim();
            default -> throw new IllegalStateException("projection " + projection);
        };
    }

    private void adapt(
            Tensor y, int column, Tensor x, LayerActivations kept, int projection, PackedRows rows, int from) {
        LoraParameter parameter = adapted[projection];
        if (parameter != null) {
            Tensor low = low(kept, projection, from, x.shape().axis(0));
            back.loraForward(y, column, x, low, parameter.factors(), dropout(projection, rows, from));
        }
    }

    private void adaptBackward(
            Tensor dx,
            Tensor dy,
            int column,
            Tensor x,
            LayerActivations kept,
            int projection,
            PackedRows rows,
            int from) {
        LoraParameter parameter = adapted[projection];
        if (parameter == null) {
            return;
        }
        long chunk = x.shape().axis(0);
        back.loraBackward(
                dx,
                parameter.gradientA(),
                parameter.gradientB(),
                dy,
                column,
                x,
                low(kept, projection, from, chunk),
                lowScratch(chunk, parameter.rank()),
                parameter.factors(),
                dropout(projection, rows, from));
    }

    /** Rows of A x; the buffer is as wide as the projection's largest rank, a layer's own may be smaller. */
    private Tensor low(LayerActivations kept, int projection, long from, long count) {
        Tensor all = kept.low()[projection];
        int rank = adapted[projection].rank();
        Tensor flat = all.reshape(all.shape().elements());
        return flat.rows(from * rank, (from + count) * rank).reshape(count, rank);
    }

    private Tensor lowScratch(long chunk, int rank) {
        Tensor all = scratch.dLow().reshape(scratch.dLow().shape().elements());
        return all.rows(0, chunk * rank).reshape(chunk, rank);
    }

    private Dropout dropout(int projection, PackedRows rows, int from) {
        if (dropout == 0 || !rows.learns()) {
            return Dropout.OFF;
        }
        long stream = LoraTargets.of(layer, projection) + 1L;
        return new Dropout(dropout, rows.dropoutSeed() + stream * 0x9E3779B97F4A7C15L, from);
    }

    /** The parameters of this layer that learn. */
    public List<LoraParameter> parameters() {
        return Arrays.stream(adapted).filter(Objects::nonNull).toList();
    }
}
