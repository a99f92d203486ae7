package dev.nightshift.tuning;

import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Segment;
import dev.nightshift.tuning.SampleReader.Sample;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Which rows each optimizer step takes, and how they are packed: a function of rows, seed and plan alone, so that a step has
 * the same content whenever it is run.
 */
final class StepSequence {
    /** Odd constant of SplitMix64, to spread neighbouring seeds. */
    private static final long SPREAD = 0x9E3779B97F4A7C15L;

    private final List<Sample> rows;
    private final JobPlan plan;
    private final JobSpec spec;
    private int shuffledEpoch = -1;
    private int[] order;

    StepSequence(List<Sample> rows, JobPlan plan, JobSpec spec) {
        if (rows.size() != plan.rows()) {
            throw new IllegalStateException("%d rows, the plan has %d".formatted(rows.size(), plan.rows()));
        }
        this.rows = rows;
        this.plan = plan;
        this.spec = spec;
    }

    /** Seed of a step's dropout and noise; its micro batches count on from it. */
    long seed(int step) {
        return (spec.seed() + 1L) * SPREAD + (long) step * 1_000_003;
    }

    /** Micro batches of a step, 0 the first. */
    List<MicroBatch> batches(int step) {
        return pack(taken(step), plan.capacityTokens(), spec.options().packing());
    }

    /** KTO's prompts with the answer of another row of the step, for the estimate of the divergence. */
    List<MicroBatch> unrelated(int step) {
        if (spec.method() != TuningMethod.KTO) {
            return List.of();
        }
        List<Sample> taken = taken(step);
        List<Sample> mixed = new ArrayList<>();
        for (int i = 0; i < taken.size(); i++) {
            Segment prompt = taken.get(i).segments().getFirst();
            Segment answer = taken.get((i + 1) % taken.size()).segments().getFirst();
            mixed.add(new Sample(List.of(join(prompt, answer))));
        }
        return pack(mixed, plan.capacityTokens(), spec.options().packing());
    }

    private Segment join(Segment prompt, Segment answer) {
        int promptTokens = firstTarget(prompt);
        int answerFrom = firstTarget(answer);
        int answerTokens = Math.min(answer.ids().length - answerFrom, plan.sequenceMax() - promptTokens);
        int[] ids = Arrays.copyOf(prompt.ids(), promptTokens + answerTokens);
        float[] weights = new float[ids.length];
        System.arraycopy(answer.ids(), answerFrom, ids, promptTokens, answerTokens);
        System.arraycopy(answer.weights(), answerFrom, weights, promptTokens, answerTokens);
        return new Segment(ids, weights, Segment.Role.UNRELATED);
    }

    private static int firstTarget(Segment segment) {
        int first = 1;
        while (first < segment.ids().length - 1 && segment.weights()[first] == 0) {
            first++;
        }
        return first;
    }

    private List<Sample> taken(int step) {
        int epoch = step / plan.stepsPerEpoch();
        shuffle(epoch);
        int from = step % plan.stepsPerEpoch() * plan.batchSize();
        int to = Math.min(rows.size(), from + plan.batchSize());
        List<Sample> taken = new ArrayList<>();
        for (int i = from; i < to; i++) {
            taken.add(rows.get(order[i]));
        }
        return taken;
    }

    /** Fisher-Yates, from the seed and the epoch alone. */
    private void shuffle(int epoch) {
        if (epoch == shuffledEpoch) {
            return;
        }
        SplittableRandom random = new SplittableRandom((spec.seed() + 1L) * SPREAD ^ epoch);
        order = new int[rows.size()];
        Arrays.setAll(order, i -> i);
        for (int i = order.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
        shuffledEpoch = epoch;
    }

    /** Fills micro batches one after another, longest samples first; without packing each sample has its own. */
    static List<MicroBatch> pack(List<Sample> samples, int capacity, boolean together) {
        List<Sample> byLength = new ArrayList<>(samples);
        byLength.sort((a, b) -> Integer.compare(b.tokens(), a.tokens()));
        List<List<Segment>> bins = new ArrayList<>();
        List<Integer> used = new ArrayList<>();
        for (Sample sample : byLength) {
            int bin = 0;
            while (bin < bins.size() && (!together || used.get(bin) + sample.tokens() > capacity)) {
                bin++;
            }
            if (bin == bins.size()) {
                bins.add(new ArrayList<>());
                used.add(0);
            }
            bins.get(bin).addAll(sample.segments());
            used.set(bin, used.get(bin) + sample.tokens());
        }
        return bins.stream().map(MicroBatch::new).toList();
    }
}
