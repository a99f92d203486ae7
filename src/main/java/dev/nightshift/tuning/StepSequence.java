package dev.nightshift.tuning;

import dev.nightshift.train.MicroBatch;
import dev.nightshift.train.Segment;
import dev.nightshift.train.data.Packing;
import dev.nightshift.train.data.RowOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which rows each optimizer step takes, and how they are packed: a function of rows, seed and plan alone, so that a step has
 * the same content whenever it is run.
 */
final class StepSequence {
    /** Odd constant of SplitMix64, to spread neighbouring seeds. */
    private static final long SPREAD = 0x9E3779B97F4A7C15L;

    private static final int USUAL_OF_STEPS = 20;

    private final List<List<Segment>> rows;
    private final int[] lengths;
    private final JobPlan plan;
    private final JobSpec spec;
    private int orderedEpoch = -1;
    private int[] order;

    StepSequence(List<List<Segment>> rows, JobPlan plan, JobSpec spec) {
        if (rows.size() != plan.rows()) {
            throw new IllegalStateException("%d rows, the plan has %d".formatted(rows.size(), plan.rows()));
        }
        this.rows = rows;
        this.lengths = rows.stream().mapToInt(Packing::tokens).toArray();
        this.plan = plan;
        this.spec = spec;
    }

    /** Seed of a step's dropout and noise; its micro batches count on from it. */
    long seed(int step) {
        return (spec.seed() + 1L) * SPREAD + (long) step * 1_000_003;
    }

    /** Of the first steps' micro batches the one nearest their mean: short ones take more time a token. */
    MicroBatch usual() {
        List<MicroBatch> some = IntStream.range(0, Math.min(plan.stepsPerEpoch(), USUAL_OF_STEPS))
                .mapToObj(this::batches)
                .flatMap(List::stream)
                .toList();
        double mean = some.stream().mapToInt(MicroBatch::tokens).average().orElseThrow();
        return some.stream()
                .min(Comparator.comparingDouble(batch -> Math.abs(batch.tokens() - mean)))
                .orElseThrow();
    }

    /** Micro batches of a step, 0 the first. */
    List<MicroBatch> batches(int step) {
        return Packing.pack(taken(step), plan.capacityTokens(), spec.options().packing());
    }

    /** KTO's prompts with the answer of another row of the step, for the estimate of the divergence. */
    List<MicroBatch> unrelated(int step) {
        if (spec.method() != TuningMethod.KTO) {
            return List.of();
        }
        List<List<Segment>> taken = taken(step);
        List<List<Segment>> mixed = new ArrayList<>();
        for (int i = 0; i < taken.size(); i++) {
            Segment prompt = taken.get(i).getFirst();
            Segment answer = taken.get((i + 1) % taken.size()).getFirst();
            mixed.add(List.of(join(prompt, answer)));
        }
        return Packing.pack(mixed, plan.capacityTokens(), spec.options().packing());
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

    private List<List<Segment>> taken(int step) {
        int epoch = step / plan.stepsPerEpoch();
        if (epoch != orderedEpoch) {
            order = RowOrder.of(
                    lengths,
                    plan.batchSize(),
                    spec.seed(),
                    epoch,
                    spec.options().groupByLength());
            orderedEpoch = epoch;
        }
        int from = step % plan.stepsPerEpoch() * plan.batchSize();
        int to = Math.min(rows.size(), from + plan.batchSize());
        return Arrays.stream(order, from, to).mapToObj(rows::get).toList();
    }
}
