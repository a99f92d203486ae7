package dev.nightshift.engine;

import dev.nightshift.model.Buckets;
import dev.nightshift.model.Llama;
import dev.nightshift.model.Staging;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/**
 * Turns logits into tokens: one transfer of parameters in, one of tokens back. Keeps the penalty histories, a row of counts
 * for each running sequence that has a penalty.
 */
final class Sampler {
    /** As {@link dev.nightshift.tensor.SamplingRows}: the token stands in the prompt. */
    private static final int IN_PROMPT = 1 << 31;

    private final TensorOps ops;
    private final EngineLimits limits;
    private final SamplingBatch.Tensors shared;
    private final SamplingBatch[][][] batches;
    private final Tensor[] historyRows;
    private final Tensor historyHost;
    private final int[] freeHistory;
    private int freeHistoryCount;

    Sampler(TensorOps ops, Llama llama, EngineLimits limits) {
        this.ops = ops;
        this.limits = limits;
        int sampleRows = Buckets.size(limits.maxRunning());
        int scoreRows = Buckets.size(limits.scoreRows());
        int vocab = llama.config().vocabSize();
        Tensor history = ops.allocate(MemoryPart.WORKSPACE, DType.I32, Shape.of(limits.historySlots(), vocab));
        Tensor masks = ops.allocate(
                MemoryPart.WORKSPACE, DType.I32, Shape.of(limits.maxRunning(), Math.ceilDiv(vocab, Integer.SIZE)));
        this.shared = new SamplingBatch.Tensors(
                new Staging(ops, SamplingBatch.inputBytesMax(sampleRows, scoreRows, limits.biasMax())),
                new Staging(ops, SamplingBatch.outputBytesMax(sampleRows, scoreRows, limits.topLogprobsMax())),
                history,
                masks);
        this.batches = new SamplingBatch[Buckets.count(sampleRows)][Buckets.count(scoreRows)][2];
        this.historyRows = new Tensor[limits.historySlots()];
        this.freeHistory = new int[limits.historySlots()];
        for (int slot = 0; slot < historyRows.length; slot++) {
            historyRows[slot] = history.rows(slot, slot + 1);
            freeHistory[slot] = slot;
        }
        this.freeHistoryCount = freeHistory.length;
        this.historyHost = new Tensor(
                Arena.ofAuto().allocate((long) vocab * Integer.BYTES, Long.BYTES), DType.I32, Shape.of(1, vocab));
    }

    /** Samples and scores the rows of a step. {@code logits} are those of its batch: sampled rows, then scored ones. */
    SamplingBatch sample(Tensor logits, Step step) {
        SamplingBatch batch = batch(logits, step.sampleRows(), step.scoreRows(), step.top());
        int rows = step.sampleRows();
        int scoreRows = step.scoreRows();
        if (rows + scoreRows == 0) {
            return batch;
        }
        batch.clear();
        for (int row = 0; row < rows; row++) {
            batch.sample(row, step.sampled(row));
        }
        for (int row = 0; row < scoreRows; row++) {
            batch.score(row, step.scored(row).token(step.scoredPosition(row) + 1));
        }
        batch.in.upload(ops);
        if (rows > 0) {
            ops.sample(batch.sampled, batch.sampleLogits, batch.rows); // [R, vocab] -> [R]
        }
        if (scoreRows > 0) {
            ops.score(batch.scored, batch.scoreLogits);
        }
        batch.out.readback(ops);
        return batch;
    }

    /** Logits of every bucket start at the same place, so that those of the first step with a bucket serve it for ever. */
    private SamplingBatch batch(Tensor logits, int sampleRows, int scoreRows, boolean top) {
        int s = Buckets.index(sampleRows);
        int p = Buckets.index(scoreRows);
        int t = top ? 1 : 0;
        SamplingBatch batch = batches[s][p][t];
        if (batch == null) {
            batch = new SamplingBatch(
                    shared,
                    logits,
                    limits.biasMax(),
                    Buckets.size(sampleRows),
                    Buckets.size(scoreRows),
                    top ? limits.topLogprobsMax() : 0);
            batches[s][p][t] = batch;
        }
        return batch;
    }

    static boolean needsHistory(SamplingParameters sampling) {
        return sampling.repetitionPenalty() != 1 || sampling.presencePenalty() != 0 || sampling.frequencyPenalty() != 0;
    }

    boolean historyAvailable() {
        return freeHistoryCount > 0;
    }

    /** Gives the sequence a history row that holds its tokens so far. */
    void openHistory(Sequence sequence) {
        int slot = freeHistory[--freeHistoryCount];
        historyHost.data().fill((byte) 0);
        int prompt = sequence.promptTokens();
        for (int i = 0; i < sequence.length(); i++) {
            int id = sequence.token(i);
            int count = historyHost.data().getAtIndex(ValueLayout.JAVA_INT, id);
            historyHost.data().setAtIndex(ValueLayout.JAVA_INT, id, i < prompt ? count | IN_PROMPT : count + 1);
        }
        ops.upload(historyRows[slot], historyHost);
        sequence.historySlot = slot;
    }

    void closeHistory(Sequence sequence) {
        if (sequence.historySlot >= 0) {
            freeHistory[freeHistoryCount++] = sequence.historySlot;
            sequence.historySlot = -1;
        }
    }
}
