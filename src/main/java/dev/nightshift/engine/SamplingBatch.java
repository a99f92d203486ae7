package dev.nightshift.engine;

import dev.nightshift.model.Staging;
import dev.nightshift.model.Staging.Staged;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.SamplingRows;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TokenScores;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The fixed tensors of one bucket of sampled and scored rows: parameters on the way in, tokens on the way out. */
final class SamplingBatch {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final int[] NO_IDS = {};
    private static final float[] NO_LOGPROBS = {};

    private final int biasMax;
    private final int topMax;
    private final Staged temperature;
    private final Staged topK;
    private final Staged topP;
    private final Staged minP;
    private final Staged repetition;
    private final Staged presence;
    private final Staged frequency;
    private final Staged seeds;
    private final Staged counters;
    private final Staged biasIds;
    private final Staged biases;
    private final Staged historySlots;
    private final Staged maskSlots;
    private final Staged scoreIds;
    private final Staged ids;
    private final Staged logprobs;
    private final Staged topIds;
    private final Staged topLogprobs;
    private final Staged scoreLogprobs;
    private final Staged scoreTopIds;
    private final Staged scoreTopLogprobs;

    final Staging.Plan in;
    final Staging.Plan out;
    final SamplingRows rows;
    final TokenScores sampled;
    final TokenScores scored;
    final Tensor sampleLogits;
    final Tensor scoreLogits;

    SamplingBatch(Tensors shared, Tensor logits, int biasMax, int sampleRows, int scoreRows, int topMax) {
        this.biasMax = biasMax;
        this.topMax = topMax;
        this.in = shared.inputs().plan();
        this.temperature = in.tensor(DType.F32, sampleRows);
        this.topK = in.tensor(DType.I32, sampleRows);
        this.topP = in.tensor(DType.F32, sampleRows);
        this.minP = in.tensor(DType.F32, sampleRows);
        this.repetition = in.tensor(DType.F32, sampleRows);
        this.presence = in.tensor(DType.F32, sampleRows);
        this.frequency = in.tensor(DType.F32, sampleRows);
        this.seeds = in.tensor(DType.I64, sampleRows);
        this.counters = in.tensor(DType.I64, sampleRows);
        this.biasIds = in.tensor(DType.I32, sampleRows, biasMax);
        this.biases = in.tensor(DType.F32, sampleRows, biasMax);
        this.historySlots = in.tensor(DType.I32, sampleRows);
        this.maskSlots = in.tensor(DType.I32, sampleRows);
        this.scoreIds = in.tensor(DType.I32, scoreRows);
        in.seal();
        this.out = shared.outputs().plan();
        this.ids = out.tensor(DType.I32, sampleRows);
        this.logprobs = out.tensor(DType.F32, sampleRows);
        this.topIds = out.tensor(DType.I32, sampleRows, topMax);
        this.topLogprobs = out.tensor(DType.F32, sampleRows, topMax);
        this.scoreLogprobs = out.tensor(DType.F32, scoreRows);
        this.scoreTopIds = out.tensor(DType.I32, scoreRows, topMax);
        this.scoreTopLogprobs = out.tensor(DType.F32, scoreRows, topMax);
        out.seal();
        this.rows = new SamplingRows(
                temperature.device(),
                topK.device(),
                topP.device(),
                minP.device(),
                repetition.device(),
                presence.device(),
                frequency.device(),
                seeds.device(),
                counters.device(),
                biasIds.device(),
                biases.device(),
                historySlots.device(),
                shared.history(),
                maskSlots.device(),
                shared.masks());
        this.sampled = new TokenScores(ids.device(), logprobs.device(), topIds.device(), topLogprobs.device());
        this.scored = new TokenScores(
                scoreIds.device(), scoreLogprobs.device(), scoreTopIds.device(), scoreTopLogprobs.device());
        this.sampleLogits = logits.rows(0, sampleRows);
        this.scoreLogits = logits.rows(sampleRows, sampleRows + scoreRows);
    }

    /**
     * What all buckets share.
     *
     * @param history [historySlots, vocab] I32
     * @param masks [masks, ceil(vocab / 32)] I32
     */
    record Tensors(Staging inputs, Staging outputs, Tensor history, Tensor masks) {}

    static long inputBytesMax(int sampleRows, int scoreRows, int biasMax) {
        return 11 * Staging.bytes(DType.F32, sampleRows)
                + 2 * Staging.bytes(DType.I64, sampleRows)
                + 2 * Staging.bytes(DType.F32, sampleRows, biasMax)
                + Staging.bytes(DType.I32, scoreRows);
    }

    static long outputBytesMax(int sampleRows, int scoreRows, int topMax) {
        return 2 * Staging.bytes(DType.I32, sampleRows)
                + 2 * Staging.bytes(DType.I32, sampleRows, topMax)
                + Staging.bytes(DType.F32, scoreRows)
                + 2 * Staging.bytes(DType.I32, scoreRows, topMax);
    }

    /** Padding everywhere: greedy, no bias, no history, no token to score. */
    void clear() {
        for (Staged zero : new Staged[] {temperature, topK, minP, presence, frequency, seeds, counters, biases}) {
            zero.host().fill((byte) 0);
        }
        for (Staged none : new Staged[] {biasIds, historySlots, maskSlots, scoreIds}) {
            none.host().fill((byte) -1);
        }
        for (long i = 0; i < topP.host().byteSize() / Float.BYTES; i++) {
            topP.host().setAtIndex(FLOAT, i, 1f);
            repetition.host().setAtIndex(FLOAT, i, 1f);
        }
    }

    void sample(int row, Sequence sequence) {
        SamplingParameters p = sequence.request.sampling();
        temperature.host().setAtIndex(FLOAT, row, p.temperature());
        topK.host().setAtIndex(INT, row, p.topK());
        topP.host().setAtIndex(FLOAT, row, p.topP());
        minP.host().setAtIndex(FLOAT, row, p.minP());
        repetition.host().setAtIndex(FLOAT, row, p.repetitionPenalty());
        presence.host().setAtIndex(FLOAT, row, p.presencePenalty());
        frequency.host().setAtIndex(FLOAT, row, p.frequencyPenalty());
        seeds.host().setAtIndex(ValueLayout.JAVA_LONG, row, p.seed());
        counters.host().setAtIndex(ValueLayout.JAVA_LONG, row, sequence.generated());
        historySlots.host().setAtIndex(INT, row, sequence.historySlot);
        TokenRules rules = sequence.rules;
        long entry = (long) row * biasMax;
        for (int i = 0; i < rules.biasIds().length; i++, entry++) {
            biasIds.host().setAtIndex(INT, entry, rules.biasIds()[i]);
            biases.host().setAtIndex(FLOAT, entry, rules.biases()[i]);
        }
        if (sequence.generated() < p.minTokens()) {
            for (int i = 0; i < rules.stopIds().length; i++, entry++) {
                biasIds.host().setAtIndex(INT, entry, rules.stopIds()[i]);
                biases.host().setAtIndex(FLOAT, entry, Float.NEGATIVE_INFINITY);
            }
        }
    }

    void score(int row, int id) {
        scoreIds.host().setAtIndex(INT, row, id);
    }

    // ---- after readback

    /** The token of a sampled row, -1 where its logits were not finite. */
    int id(int row) {
        return ids.host().getAtIndex(INT, row);
    }

    /** @param top alternatives wanted, -1 or 0 = none */
    TokenEvent.Scored sampledScore(int row, int top) {
        float logprob = logprobs.host().getAtIndex(FLOAT, row);
        return new TokenEvent.Scored(
                id(row), logprob, ids(topIds.host(), row, top), logprobs(topLogprobs.host(), row, top));
    }

    TokenEvent.Scored promptScore(int row, int id, int top) {
        float logprob = scoreLogprobs.host().getAtIndex(FLOAT, row);
        return new TokenEvent.Scored(
                id, logprob, ids(scoreTopIds.host(), row, top), logprobs(scoreTopLogprobs.host(), row, top));
    }

    private int[] ids(MemorySegment from, int row, int top) {
        if (top <= 0) {
            return NO_IDS;
        }
        int[] result = new int[top];
        MemorySegment.copy(from, INT, (long) row * topMax * Integer.BYTES, result, 0, top);
        return result;
    }

    private float[] logprobs(MemorySegment from, int row, int top) {
        if (top <= 0) {
            return NO_LOGPROBS;
        }
        float[] result = new float[top];
        MemorySegment.copy(from, FLOAT, (long) row * topMax * Float.BYTES, result, 0, top);
        return result;
    }
}
