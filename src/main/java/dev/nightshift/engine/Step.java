package dev.nightshift.engine;

import dev.nightshift.model.Buckets;
import dev.nightshift.model.Llama;
import dev.nightshift.model.TokenBatch;
import java.util.Arrays;

/**
 * What one pass through the model computes: a span of neighbouring positions of each of some sequences. Spans that reach
 * their sequence's last token end in a sampled one; positions of prompts that are to be scored get logits too. One object,
 * filled anew for every step.
 */
final class Step {
    private final int blockTokens;
    private final Sequence[] sequences;
    private final int[] starts;
    private final int[] counts;
    private int size;
    private int rows;

    private final Sequence[] sampled;
    private int sampleRows;
    private final Sequence[] scored;
    private final int[] scoredPositions;
    private int scoreRows;
    private boolean top;
    private TokenBatch tokens;

    Step(EngineLimits limits, int blockTokens) {
        this.blockTokens = blockTokens;
        this.sequences = new Sequence[limits.maxRunning()];
        this.starts = new int[limits.maxRunning()];
        this.counts = new int[limits.maxRunning()];
        this.sampled = new Sequence[limits.maxRunning()];
        this.scored = new Sequence[limits.scoreRows()];
        this.scoredPositions = new int[limits.scoreRows()];
    }

    void clear() {
        // References are dropped, so that an ended sequence is not kept alive.
        Arrays.fill(sequences, null);
        Arrays.fill(sampled, null);
        Arrays.fill(scored, null);
        size = 0;
        rows = 0;
        sampleRows = 0;
        scoreRows = 0;
        top = false;
        tokens = null;
    }

    /** The next {@code count} tokens of a sequence, or fewer where the rows for scores are used up. */
    void add(Sequence sequence, int count) {
        int start = sequence.computed;
        int end = start;
        while (end < start + count) {
            if (sequence.needsScore(end)) {
                if (scoreRows == scored.length) {
                    break;
                }
                scored[scoreRows] = sequence;
                scoredPositions[scoreRows++] = end;
                top |= sequence.request.promptTopLogprobs() > 0;
            }
            end++;
        }
        if (end == start) {
            return;
        }
        sequences[size] = sequence;
        starts[size] = start;
        counts[size++] = end - start;
        rows += end - start;
        if (end == sequence.length()) {
            sampled[sampleRows++] = sequence;
            top |= sequence.request.sampling().topLogprobs() > 0;
        }
    }

    /** Writes the fixed tensors of the smallest bucket that holds this step. */
    void write(Llama llama) {
        int samplePart = Buckets.size(sampleRows);
        tokens = llama.batch(rows, size, samplePart + Buckets.size(scoreRows));
        tokens.clear();
        int row = 0;
        int sample = 0;
        int score = 0;
        for (int i = 0; i < size; i++) {
            Sequence sequence = sequences[i];
            int adapter = sequence.adapterSlot();
            tokens.blocks(i, sequence.blocks, sequence.blockCount);
            for (int p = starts[i]; p < starts[i] + counts[i]; p++) {
                int slot = sequence.blocks[p / blockTokens] * blockTokens + p % blockTokens;
                tokens.row(row, sequence.token(p), p, i, slot, adapter, sequence.promptTokens());
                if (score < scoreRows && scored[score] == sequence && scoredPositions[score] == p) {
                    tokens.logitRow(samplePart + score++, row, adapter);
                }
                row++;
            }
            if (sample < sampleRows && sampled[sample] == sequence) {
                tokens.logitRow(sample++, row - 1, adapter);
            }
        }
    }

    boolean isEmpty() {
        return size == 0;
    }

    TokenBatch tokens() {
        return tokens;
    }

    int rows() {
        return rows;
    }

    int size() {
        return size;
    }

    Sequence sequence(int span) {
        return sequences[span];
    }

    int count(int span) {
        return counts[span];
    }

    int sampleRows() {
        return sampleRows;
    }

    Sequence sampled(int row) {
        return sampled[row];
    }

    int scoreRows() {
        return scoreRows;
    }

    Sequence scored(int row) {
        return scored[row];
    }

    /** Position whose logits row {@code row} is; the token after it is the one scored. */
    int scoredPosition(int row) {
        return scoredPositions[row];
    }

    /** Whether any row wants alternatives. */
    boolean top() {
        return top;
    }
}
