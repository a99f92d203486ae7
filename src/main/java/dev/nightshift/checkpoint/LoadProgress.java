package dev.nightshift.checkpoint;

/** Told how far a download or a load is, often and from the thread that works; must return at once. */
@FunctionalInterface
public interface LoadProgress {
    LoadProgress SILENT = (what, done, total) -> {};

    /**
     * @param what a file that is downloaded, or what is loaded
     * @param done bytes or layers
     * @param total of the same; 0 if unknown
     */
    void report(String what, long done, long total);
}
