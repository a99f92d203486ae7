package dev.nightshift.train;

import dev.nightshift.model.LayerActivations;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.PackedRows;
import dev.nightshift.model.TrainingLayer;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TokenScores;
import dev.nightshift.tensor.TrainingOps;
import java.util.Arrays;
import java.util.List;

/**
 * The stages that take one micro batch through the model: forward, head, backward. One micro batch at a time; the buffers
 * are the trainer's.
 */
final class MicroBatchPass {
    /** Negative log-likelihoods of the rows that bear loss, summed per sample, and how many were the first choice. */
    record Scores(double[] losses, double[] weightedLosses, int correct, int targets) {}

    /** Name of stages that only see that activations are still there. */
    private static final String HELD = "held";

    private final TensorOps ops;
    private final TrainingOps back;
    private final ModelWeights weights;
    private final TrainerSettings settings;
    private final TrainingBuffers buffers;
    private final List<TrainingLayer> layers;
    private final RotaryTable rotary;
    private final int[] heldBy;
    private PackedRows rows;
    private MicroBatch batch;
    private int headCount;
    private int[] headSegments;
    private float[] headWeights;
    private int[] headTargets;

    MicroBatchPass(
            TensorOps ops,
            TrainingOps back,
            ModelWeights weights,
            TrainerSettings settings,
            TrainingBuffers buffers,
            List<TrainingLayer> layers,
            RotaryTable rotary) {
        this.ops = ops;
        this.back = back;
        this.weights = weights;
        this.settings = settings;
        this.buffers = buffers;
        this.layers = List.copyOf(layers);
        this.rotary = rotary;
        this.heldBy = new int[buffers.sets.size()];
        Arrays.fill(heldBy, -1);
    }

    // ---- loading

    /** Puts a micro batch on the device and embeds it, with NEFTune's noise and dropout if {@code learn}. */
    void load(MicroBatch next, long dropoutSeed, boolean learn) {
        int tokens = next.tokens();
        if (tokens > settings.capacityTokens()) {
            throw new IllegalStateException(
                    "micro batch of %d tokens, capacity %d".formatted(tokens, settings.capacityTokens()));
        }
        batch = next;
        int headDim = weights.config().headDim();
        int[] ids = new int[tokens];
        int[] starts = new int[tokens];
        float[] cosSin = new float[tokens * headDim];
        int row = 0;
        for (Segment segment : next.segments()) {
            int length = segment.ids().length;
            System.arraycopy(segment.ids(), 0, ids, row, length);
            Arrays.fill(starts, row, row + length, row);
            int[] positions = new int[length];
            Arrays.setAll(positions, i -> i);
            rotary.fill(positions, length, cosSin, row * headDim);
            row += length;
        }
        ops.upload(buffers.ids.rows(0, tokens), HostRows.of(ids));
        ops.upload(buffers.segmentStarts.rows(0, tokens), HostRows.of(starts));
        ops.upload(buffers.cosSin.rows(0, tokens), HostRows.of(cosSin).reshape(tokens, headDim));
        rows = new PackedRows(
                tokens,
                buffers.ids.rows(0, tokens),
                buffers.segmentStarts.rows(0, tokens),
                buffers.cosSin.rows(0, tokens),
                learn,
                dropoutSeed);
        loadHead(next);
        ops.embed(buffers.inputs[0].rows(0, tokens), weights.embedding(), rows.ids(), null);
        if (learn && settings.neftuneAlpha() > 0) {
            addNoise(next, dropoutSeed);
        }
    }

    private void addNoise(MicroBatch next, long seed) {
        int row = 0;
        for (Segment segment : next.segments()) {
            int length = segment.ids().length;
            double elements = (double) length * weights.config().hiddenSize();
            float amplitude = (float) (settings.neftuneAlpha() / Math.sqrt(elements));
            back.addNoise(buffers.inputs[0].rows(row, row + length), amplitude, ~seed, row);
            row += length;
        }
    }

    /** Row t predicts the token after it; only rows whose token bears loss reach the head. */
    private void loadHead(MicroBatch next) {
        headCount = next.targets();
        int[] indices = new int[headCount];
        headTargets = new int[headCount];
        headSegments = new int[headCount];
        headWeights = new float[headCount];
        int count = 0;
        int row = 0;
        for (int s = 0; s < next.segments().size(); s++) {
            Segment segment = next.segments().get(s);
            for (int i = 1; i < segment.ids().length; i++) {
                if (segment.weights()[i] != 0) {
                    indices[count] = row + i - 1;
                    headTargets[count] = segment.ids()[i];
                    headWeights[count] = segment.weights()[i];
                    headSegments[count++] = s;
                }
            }
            row += segment.ids().length;
        }
        if (headCount > 0) {
            ops.upload(buffers.headIndices.rows(0, headCount), HostRows.of(indices));
            ops.upload(buffers.headTargets.rows(0, headCount), HostRows.of(headTargets));
        }
    }

    // ---- stages

    /** Forward through all layers; with {@code learn} the activations are kept for {@link #backward}. */
    void forward(List<Stage> stages, int tokens, boolean withAdapter) {
        for (int l = 0; l < layers.size(); l++) {
            layerForward(stages, l, tokens, withAdapter, false);
        }
    }

    private void layerForward(List<Stage> stages, int l, int tokens, boolean withAdapter, boolean again) {
        TrainingLayer layer = layers.get(l);
        Tensor x = buffers.inputs[l];
        // of its own kind: a stage that finds its work done says nothing about the time of one that doesn't
        boolean held = again && heldFromForward(l);
        for (int from = 0; from < tokens; from += settings.chunkRows()) {
            int begin = from;
            int end = Math.min(tokens, from + settings.chunkRows());
            double cost = layer.projectCost() * (end - begin);
            stages.add(new Stage(held ? HELD : "project", held ? 0 : cost, () -> {
                if (!again || heldBy[set(l)] != l) {
                    layer.project(x, buffers.sets.get(set(l)), rows, withAdapter, begin, end);
                }
            }));
        }
        for (int from = 0; from < tokens; from += settings.chunkRows()) {
            int begin = from;
            int end = Math.min(tokens, from + settings.chunkRows());
            boolean last = end == tokens;
            double cost = (layer.mixCost() + attentionCost(end)) * (end - begin);
            stages.add(new Stage(held ? HELD : "mix", held ? 0 : cost, () -> {
                if (!again || heldBy[set(l)] != l) {
                    Tensor out = again ? null : buffers.inputs[l + 1];
                    layer.mix(out, x, buffers.sets.get(set(l)), rows, withAdapter, begin, end);
                    if (last) {
                        heldBy[set(l)] = l;
                    }
                }
            }));
        }
    }

    /** Whether the forward pass leaves this layer's activations where the backward pass finds them. */
    private boolean heldFromForward(int l) {
        // its own set, or the shared one, which the highest of the layers that share it was the last to fill
        return l >= layers.size() - buffers.sets.size();
    }

    private double attentionCost(int keys) {
        return 4.0 * keys * weights.config().heads() * weights.config().headDim();
    }

    /** Losses of all rows that bear loss, without gradient. */
    void score(List<Stage> stages, int targets) {
        for (int from = 0; from < targets; from += settings.headRows()) {
            int begin = from;
            int end = Math.min(targets, from + settings.headRows());
            stages.add(new Stage("score", headCost() * (end - begin), () -> {
                Tensor logits = logits(begin, end);
                best(logits, begin, end);
                back.crossEntropy(buffers.losses.rows(begin, end), logits, buffers.headTargets.rows(begin, end), null);
            }));
        }
    }

    /** Losses and the gradient of the last layer's output. {@link #weigh} must have set the rows' weights. */
    void headBackward(List<Stage> stages, int tokens, int targets) {
        stages.add(new Stage("zero", 0, () -> back.zero(buffers.gradient.rows(0, tokens))));
        for (int from = 0; from < targets; from += settings.headRows()) {
            int begin = from;
            int end = Math.min(targets, from + settings.headRows());
            stages.add(new Stage("head", headCost() * (end - begin), () -> headForward(begin, end)));
            stages.add(new Stage("headBackward", headCost() * (end - begin), () -> headBackward(begin, end)));
        }
    }

    /** Leaves the gradient of the logits in their place. */
    private void headForward(int begin, int end) {
        Tensor logits = logits(begin, end);
        best(logits, begin, end);
        back.crossEntropy(
                buffers.losses.rows(begin, end),
                logits,
                buffers.headTargets.rows(begin, end),
                buffers.headWeights.rows(begin, end));
    }

    private void headBackward(int begin, int end) {
        int count = end - begin;
        Tensor logits = buffers.logits.rows(0, count);
        Tensor dNormed = buffers.headNormed.rows(0, count);
        Tensor dGathered = buffers.dGathered.rows(0, count);
        back.linearBackward(dNormed, logits, weights.head(), false); // of the head
        back.zero(dGathered);
        back.rmsNormBackward(
                dGathered,
                dNormed,
                buffers.gathered.rows(0, count),
                weights.finalNorm(),
                weights.config().rmsNormEpsilon()); // of the final norm
        back.scatterRows(
                buffers.gradient.rows(0, rows.tokens()),
                dGathered,
                buffers.headIndices.rows(begin, end)); // of gatherRows
    }

    private Tensor logits(int begin, int end) {
        int count = end - begin;
        Tensor gathered = buffers.gathered.rows(0, count);
        Tensor normed = buffers.headNormed.rows(0, count);
        Tensor logits = buffers.logits.rows(0, count);
        Tensor top = buffers.inputs[layers.size()].rows(0, rows.tokens());
        ops.gatherRows(gathered, top, buffers.headIndices.rows(begin, end)); // [tokens, hidden] -> [count, hidden]
        ops.rmsNorm(normed, gathered, weights.finalNorm(), weights.config().rmsNormEpsilon());
        ops.linear(logits, normed, weights.head(), null, null); // -> [count, vocab]
        return logits;
    }

    private void best(Tensor logits, int begin, int end) {
        ops.score(
                new TokenScores(
                        buffers.headTargets.rows(begin, end),
                        buffers.scoreLogprobs.rows(begin, end),
                        buffers.bestIds.rows(begin, end),
                        buffers.bestLogprobs.rows(begin, end)),
                logits);
    }

    private double headCost() {
        return 2.0 * weights.config().vocabSize() * weights.config().hiddenSize();
    }

    /** Backward through all layers, recomputing what was not kept. */
    void backward(List<Stage> stages, int tokens) {
        for (int l = layers.size() - 1; l >= 0; l--) {
            layerForward(stages, l, tokens, true, true);
            layerBackward(stages, l, tokens);
        }
    }

    private void layerBackward(List<Stage> stages, int l, int tokens) {
        TrainingLayer layer = layers.get(l);
        Tensor x = buffers.inputs[l];
        Tensor gradient = buffers.gradient;
        stages.add(new Stage("begin", 0, () -> layer.beginBackward(rows)));
        for (int from = 0; from < tokens; from += settings.chunkRows()) {
            int begin = from;
            int end = Math.min(tokens, from + settings.chunkRows());
            double cost = (1.1 * layer.mixCost() + 2.5 * attentionCost(end)) * (end - begin);
            stages.add(new Stage(
                    "mixBackward", cost, () -> layer.mixBackward(gradient, activations(l), rows, begin, end)));
        }
        for (int from = 0; from < tokens; from += settings.chunkRows()) {
            int begin = from;
            int end = Math.min(tokens, from + settings.chunkRows());
            stages.add(new Stage(
                    "projectBackward",
                    1.1 * layer.projectCost() * (end - begin),
                    () -> layer.projectBackward(gradient, x, activations(l), rows, l > 0, begin, end)));
        }
    }

    private LayerActivations activations(int l) {
        return buffers.sets.get(set(l));
    }

    /** The upper layers have sets of their own: they are the first to be needed again. */
    private int set(int l) {
        int own = buffers.sets.size() - 1;
        int first = layers.size() - own;
        return l >= first ? l - first : own;
    }

    // ---- host side of a stage

    /** Sets the gradient's weight of each row that bears loss: its sample's coefficient times its token's weight. */
    void weigh(double[] coefficients) {
        float[] values = new float[headCount];
        for (int i = 0; i < headCount; i++) {
            values[i] = (float) (coefficients[headSegments[i]] * headWeights[i]);
        }
        if (headCount > 0) {
            ops.upload(buffers.headWeights.rows(0, headCount), HostRows.of(values));
        }
    }

    /** Reads back what {@link #score} or {@link #headBackward} computed. */
    Scores scores() {
        int samples = batch.segments().size();
        double[] losses = new double[samples];
        double[] weighted = new double[samples];
        int correct = 0;
        if (headCount > 0) {
            Tensor host = HostRows.empty(DType.F32, headCount);
            ops.readback(host, buffers.losses.rows(0, headCount));
            float[] values = HostRows.floats(host);
            Tensor hostIds = HostRows.empty(DType.I32, headCount, 1);
            ops.readback(hostIds, buffers.bestIds.rows(0, headCount));
            int[] best = HostRows.ints(hostIds);
            for (int i = 0; i < headCount; i++) {
                losses[headSegments[i]] += values[i];
                weighted[headSegments[i]] += (double) values[i] * headWeights[i];
                correct += best[i] == headTargets[i] ? 1 : 0;
            }
        }
        return new Scores(losses, weighted, correct, headCount);
    }
}
