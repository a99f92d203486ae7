package dev.nightshift.tuning;

import dev.nightshift.failure.ServingException;
import dev.nightshift.train.Segment;
import java.nio.file.Path;
import java.util.List;

/** Turns a job's files into tokens. */
public interface SampleReader {
    /**
     * One row of a data set: a sample, or the two answers of a pair, better one first.
     *
     * @param segments run together in one micro batch
     */
    record Sample(List<Segment> segments) {
        public Sample {
            segments = List.copyOf(segments);
        }

        int tokens() {
            return segments.stream().mapToInt(segment -> segment.ids().length).sum();
        }
    }

    /** @param notes what was truncated, dropped or looked odd, for the job's events */
    record Samples(List<Sample> rows, List<String> notes) {
        public Samples {
            rows = List.copyOf(rows);
            notes = List.copyOf(notes);
        }
    }

    /** A file and how often its rows count against the others'. */
    record Source(Path file, double weight) {}

    /**
     * Reads all rows, the same ones in the same order every time.
     *
     * @param sequenceMax longer samples are cut
     * @throws ServingException INVALID_REQUEST naming faults with their line numbers
     */
    Samples read(List<Source> sources, JobSpec spec, int sequenceMax);
}
