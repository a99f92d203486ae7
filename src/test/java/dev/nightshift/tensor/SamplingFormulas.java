package dev.nightshift.tensor;

import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Which tokens a row may choose, in double, by the text of {@link SamplingRows}. */
final class SamplingFormulas {
    /**
     * Share of the total by which running sums and filters may be off: fp32 weights from exp, summed over a few thousand
     * tokens.
     */
    private static final double SLACK = 4e-6;

    private SamplingFormulas() {}

    /** Logits after penalties, biases and bans. */
    static double[] adjusted(Choice choice) {
        double[] logits = new double[choice.logits().length];
        for (int id = 0; id < logits.length; id++) {
            double logit = choice.logits()[id];
            if (choice.history() != null) {
                int times = choice.history()[id] & 0x7FFF_FFFF;
                boolean known = choice.history()[id] != 0;
                if (known && logit > 0) {
                    logit /= choice.repetition();
                } else if (known) {
                    logit *= choice.repetition();
                }
                logit -= choice.frequency() * times;
                logit -= times > 0 ? choice.presence() : 0;
            }
            logit += choice.biases().getOrDefault(id, 0f);
            boolean banned = choice.allowed() != null && !choice.allowed()[id];
            logits[id] = banned ? Double.NEGATIVE_INFINITY : logit;
        }
        return logits;
    }

    static double logSumExp(double[] logits) {
        double max = IntStream.range(0, logits.length)
                .mapToDouble(i -> logits[i])
                .max()
                .orElseThrow();
        return max
                + Math.log(IntStream.range(0, logits.length)
                        .mapToDouble(i -> Math.exp(logits[i] - max))
                        .sum());
    }

    /** Ids by falling value, lower ids first on a tie. */
    static List<Integer> ranked(double[] values) {
        return IntStream.range(0, values.length)
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(id -> values[id])
                        .reversed()
                        .thenComparing(Comparator.naturalOrder()))
                .toList();
    }

    /** Tokens that a right implementation may choose: one, or two where the draw falls beside a border. */
    static Set<Integer> acceptable(Choice choice) {
        double[] logits = adjusted(choice);
        if (choice.temperature() == 0) {
            return Set.of(ranked(logits).getFirst());
        }
        Set<Integer> union = new TreeSet<>();
        for (double slack : new double[] {0, -SLACK, SLACK}) {
            Set<Integer> kept = kept(choice, logits, slack);
            double max =
                    ranked(logits).stream().mapToDouble(id -> logits[id]).max().orElseThrow();
            double total = kept.stream()
                    .mapToDouble(id -> Math.exp((logits[id] - max) / choice.temperature()))
                    .sum();
            double target = CounterRandom.uniform(choice.seed(), choice.counter()) * total;
            double sum = 0;
            for (int id : kept) {
                double weight = Math.exp((logits[id] - max) / choice.temperature());
                if (weight > 0 && target >= sum - SLACK * total && target < sum + weight + SLACK * total) {
                    union.add(id);
                }
                sum += weight;
            }
        }
        return union;
    }

    /** Ids left by min_p, top_k and top_p, rising. */
    static Set<Integer> kept(Choice choice, double[] logits, double slack) {
        List<Integer> ranked = ranked(logits);
        double max = logits[ranked.getFirst()];
        List<Integer> left = ranked.stream()
                .filter(id -> Math.exp((logits[id] - max) / choice.temperature()) >= choice.minP() * (1 + slack))
                .limit(choice.topK() > 0 ? choice.topK() : Long.MAX_VALUE)
                .toList();
        if (choice.topP() >= 1) {
            return left.stream().collect(Collectors.toCollection(TreeSet::new));
        }
        double total = left.stream()
                .mapToDouble(id -> Math.exp((logits[id] - max) / choice.temperature()))
                .sum();
        Set<Integer> kept = new TreeSet<>();
        double before = 0;
        for (int id : left) {
            if (kept.isEmpty() || before < (choice.topP() + slack) * total) {
                kept.add(id);
            }
            before += Math.exp((logits[id] - max) / choice.temperature());
        }
        return kept;
    }
}
