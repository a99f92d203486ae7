package dev.nightshift.model;

/**
 * Largest step that workspaces are planned for.
 *
 * @param rows query rows
 * @param logitRows rows that get logits
 * @param blocksPerSequence width of a block table
 */
public record BatchLimits(int rows, int sequences, int logitRows, int blocksPerSequence) {
    public BatchLimits {
        if (rows < 1 || sequences < 1 || logitRows < 1 || blocksPerSequence < 1) {
            throw new IllegalStateException("%d rows, %d sequences, %d rows of logits, %d blocks"
                    .formatted(rows, sequences, logitRows, blocksPerSequence));
        }
        rows = Buckets.size(rows);
        sequences = Buckets.size(sequences);
        logitRows = Buckets.size(logitRows);
    }
}
