package dev.nightshift.train.data;

import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Segment;
import java.util.ArrayList;
import java.util.List;

/** Samples into micro batches. They stay segments of their own there, without attention across. */
public final class Packing {
    private Packing() {}

    /** Rows that a sample takes. */
    public static int tokens(List<Segment> sample) {
        return sample.stream().mapToInt(segment -> segment.ids().length).sum();
    }

    /**
     * First fit, longest samples first.
     *
     * @param capacity tokens of a micro batch
     * @param together false = each sample in a micro batch of its own
     */
    public static List<MicroBatch> pack(List<List<Segment>> samples, int capacity, boolean together) {
        List<List<Segment>> byLength = new ArrayList<>(samples);
        byLength.sort((a, b) -> Integer.compare(tokens(b), tokens(a)));
        List<List<Segment>> bins = new ArrayList<>();
        List<Integer> used = new ArrayList<>();
        for (List<Segment> sample : byLength) {
            int tokens = tokens(sample);
            if (tokens > capacity) {
                throw new IllegalStateException(
                        "a sample of %d tokens, micro batches of %d".formatted(tokens, capacity));
            }
            int bin = 0;
            while (bin < bins.size() && (!together || used.get(bin) + tokens > capacity)) {
                bin++;
            }
            if (bin == bins.size()) {
                bins.add(new ArrayList<>());
                used.add(0);
            }
            bins.get(bin).addAll(sample);
            used.set(bin, used.get(bin) + tokens);
        }
        return bins.stream().map(MicroBatch::new).toList();
    }
}
