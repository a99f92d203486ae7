package dev.nightshift.tuning;

import dev.nightshift.train.data.Dataset;
import java.nio.file.Path;
import java.util.List;

/** Turns a job's files into tokens. */
public interface SampleReader {
    /** A file and how often its rows count against the others'. */
    record Source(Path file, double weight) {}

    /**
     * Reads all rows, the same ones in the same order every time; faults are in what it returns.
     *
     * @param sequenceMax longer samples are cut
     */
    Dataset read(List<Source> sources, JobSpec spec, int sequenceMax);
}
