package dev.nightshift.checkpoint;

/** Told how far the writing of a merged model is. */
public interface MergeProgress {
    /** Tells nobody. */
    MergeProgress SILENT = (shards, total, bytes) -> {};

    /**
     * A tensor is ready or a file is written. What this throws ends the writing.
     *
     * @param shards files written
     * @param total files that there will be
     * @param bytes of the tensors that are ready
     */
    void advanced(int shards, int total, long bytes);
}
