package dev.nightshift.tensor.cpu;

import java.util.Arrays;

/**
 * Picks tokens of one row of logits: the largest, or one at random after min_p, top_k and top_p. Only tokens above a bound are
 * ordered: of the maxima of stretches of the vocabulary the k-th largest is a bound that at least k tokens reach.
 */
final class TokenFilter {
    /** Sums run over so many logits in float, over the sums in double. */
    private static final int SUMMED = 4_096;
    /** Tokens ordered at first for top_p, enough for most nuclei. */
    private static final int NUCLEUS = 256;

    private final RowLanes lanes;
    private final float[] partials = new float[RowLanes.PARTIALS];
    private float[] weights = new float[0];
    private float[] maxima = weights;
    private long[] byId = new long[0];
    private long[] ordered = byId;
    private int vocabulary;

    TokenFilter(RowLanes lanes) {
        this.lanes = lanes;
    }

    void reserve(int vocabulary) {
        this.vocabulary = vocabulary;
        if (weights.length < vocabulary) {
            weights = new float[vocabulary];
            maxima = new float[vocabulary / RowLanes.STRETCH + 1];
            byId = new long[vocabulary];
            ordered = new long[vocabulary];
        }
    }

    private int stretches() {
        return (vocabulary + RowLanes.STRETCH - 1) / RowLanes.STRETCH;
    }

    /** Sum of exp(x - max). */
    double total(long x, float max) {
        double total = 0;
        for (int i = 0; i < vocabulary; i += SUMMED) {
            total += lanes.sumExp(x + 4L * i, max, Math.min(SUMMED, vocabulary - i), partials);
        }
        return total;
    }

    /** Keys of the {@code count} largest in falling order, in an array that is longer. */
    long[] largest(long x, int count) {
        float bound = Float.NEGATIVE_INFINITY;
        if (count < stretches()) {
            lanes.maxima(x, vocabulary, maxima);
            bound = Ranking.bound(maxima, stretches(), count, ordered);
        }
        int found = 0;
        for (int id = 0; id < vocabulary; id++) {
            float value = Raw.f32(x + 4L * id);
            if (value >= bound) {
                ordered[found++] = Ranking.key(value, id);
            }
        }
        Ranking.select(ordered, found, count);
        fallingOrder(ordered, count);
        return ordered;
    }

    private static void fallingOrder(long[] keys, int count) {
        Arrays.sort(keys, 0, count);
        for (int i = 0, j = count - 1; i < j; i++, j--) {
            long swap = keys[i];
            keys[i] = keys[j];
            keys[j] = swap;
        }
    }

    /** One token drawn with {@code uniform} in [0, 1). */
    int draw(long x, float max, float temperature, float minP, int topK, float topP, float uniform) {
        lanes.weights(x, max, temperature, vocabulary, weights);
        boolean cutsK = topK > 0 && topK < vocabulary;
        if (!cutsK && topP >= 1) {
            return drawAbove(minP, uniform);
        }
        int wanted = cutsK ? topK : NUCLEUS;
        float bound = minP;
        if (wanted < stretches()) {
            lanes.maxima(x, vocabulary, maxima);
            for (int i = 0; i < stretches(); i++) {
                maxima[i] = Exponential.of((maxima[i] - max) / temperature);
            }
            bound = Math.max(minP, Ranking.bound(maxima, stretches(), wanted, ordered));
        }
        int found = gather(bound);
        if (cutsK) {
            if (found > topK) {
                found = keep(found, selectCopy(found, topK));
            }
            return topP >= 1 ? draw(found, uniform) : drawNucleus(found, sum(found), topP, uniform);
        }
        double total = sumAbove(minP);
        if (sum(found) < topP * total) {
            found = gather(minP);
        }
        return drawNucleus(found, total, topP, uniform);
    }

    private int gather(float bound) {
        int found = 0;
        for (int id = 0; id < vocabulary; id++) {
            float weight = weights[id];
            if (weight >= bound && weight > 0) {
                byId[found++] = Ranking.key(weight, id);
            }
        }
        return found;
    }

    private long selectCopy(int found, int count) {
        System.arraycopy(byId, 0, ordered, 0, found);
        return Ranking.select(ordered, found, count);
    }

    /** Keeps those from {@code least} upwards, still by id. */
    private int keep(int found, long least) {
        int kept = 0;
        for (int i = 0; i < found; i++) {
            if (byId[i] >= least) {
                byId[kept++] = byId[i];
            }
        }
        return kept;
    }

    private double sum(int found) {
        double sum = 0;
        for (int i = 0; i < found; i++) {
            sum += weights[Ranking.id(byId[i])];
        }
        return sum;
    }

    private double sumAbove(float minP) {
        double sum = 0;
        for (int id = 0; id < vocabulary; id++) {
            sum += weights[id] >= minP ? weights[id] : 0;
        }
        return sum;
    }

    /** top_p over what was gathered: a token stays while the sum of those before it is below its share of the total. */
    private int drawNucleus(int found, double total, float topP, float uniform) {
        System.arraycopy(byId, 0, ordered, 0, found);
        fallingOrder(ordered, found);
        double before = 0;
        int kept = 0;
        do {
            before += weights[Ranking.id(ordered[kept++])];
        } while (kept < found && before < topP * total);
        return draw(keep(found, ordered[kept - 1]), uniform);
    }

    /** The first token by id whose running sum exceeds the drawn share. */
    private int draw(int found, float uniform) {
        double goal = uniform * sum(found);
        double running = 0;
        for (int i = 0; i < found; i++) {
            int id = Ranking.id(byId[i]);
            running += weights[id];
            if (running > goal) {
                return id;
            }
        }
        return Ranking.id(byId[found - 1]);
    }

    private int drawAbove(float minP, float uniform) {
        double goal = uniform * sumAbove(minP);
        double running = 0;
        int last = 0;
        for (int id = 0; id < vocabulary; id++) {
            float weight = weights[id];
            if (weight > 0 && weight >= minP) {
                running += weight;
                last = id;
                if (running > goal) {
                    return id;
                }
            }
        }
        return last;
    }
}
