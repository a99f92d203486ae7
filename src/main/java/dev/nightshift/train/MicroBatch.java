package dev.nightshift.train;

import java.util.List;

/** Samples that run through the model together, one after another, without attention between them. */
public record MicroBatch(List<Segment> segments) {
    public MicroBatch {
        segments = List.copyOf(segments);
    }

    /** Rows it takes. */
    public int tokens() {
        return segments.stream().mapToInt(segment -> segment.ids().length).sum();
    }

    /** Rows that bear loss. */
    public int targets() {
        int count = 0;
        for (Segment segment : segments) {
            for (int i = 1; i < segment.weights().length; i++) {
                count += segment.weights()[i] != 0 ? 1 : 0;
            }
        }
        return count;
    }
}
