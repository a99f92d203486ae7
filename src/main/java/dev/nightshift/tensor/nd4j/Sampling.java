package dev.nightshift.tensor.nd4j;

import dev.nightshift.tensor.CounterRandom;
import dev.nightshift.tensor.SamplingRows;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TokenScores;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Choosing tokens, as {@link SamplingRows} writes it down. A row's filters and its draw go token by token, so this is plain
 * Java in double, without arrays of ND4J.
 */
final class Sampling {
    private static final int IN_PROMPT = 0x8000_0000;
    private static final int COUNT = 0x7FFF_FFFF;

    private Sampling() {}

    static void sample(TokenScores out, Tensor logits, SamplingRows rows) {
        for (int row = 0; row < logits.shape().axis(0); row++) {
            float[] adjusted = adjusted(HostArrays.floats(logits.rows(row, row + 1)), rows, row);
            boolean drawable = isDrawable(adjusted);
            int id = drawable ? draw(adjusted, rows, row) : -1;
            out.ids().data().setAtIndex(HostArrays.I32, row, id);
            report(out, row, id, adjusted, drawable);
            int history = rows.historySlots().data().getAtIndex(HostArrays.I32, row);
            if (id >= 0 && history >= 0) {
                long at = history * rows.history().shape().axis(1) + id;
                int seen = rows.history().data().getAtIndex(HostArrays.I32, at);
                rows.history().data().setAtIndex(HostArrays.I32, at, seen + 1);
            }
        }
    }

    static void score(TokenScores out, Tensor logits) {
        for (int row = 0; row < logits.shape().axis(0); row++) {
            float[] values = HostArrays.floats(logits.rows(row, row + 1));
            report(out, row, out.ids().data().getAtIndex(HostArrays.I32, row), values, isDrawable(values));
        }
    }

    /** Neither NaN nor +infinity, and one token at least is allowed. */
    private static boolean isDrawable(float[] logits) {
        float max = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            if (Float.isNaN(logit)) {
                return false;
            }
            max = Math.max(max, logit);
        }
        return Float.isFinite(max);
    }

    /** Penalties, biases, bans. */
    private static float[] adjusted(float[] logits, SamplingRows rows, int row) {
        int history = rows.historySlots().data().getAtIndex(HostArrays.I32, row);
        if (history >= 0) {
            float repetition = at(rows.repetitionPenalty(), row);
            float frequency = at(rows.frequencyPenalty(), row);
            float presence = at(rows.presencePenalty(), row);
            int[] seen = HostArrays.ints(rows.history().rows(history, history + 1L));
            for (int id = 0; id < logits.length; id++) {
                int count = seen[id] & COUNT;
                if (count > 0 || (seen[id] & IN_PROMPT) != 0) {
                    logits[id] = logits[id] > 0 ? logits[id] / repetition : logits[id] * repetition;
                }
                if (count > 0) {
                    logits[id] -= frequency * count + presence;
                }
            }
        }
        int biasMax = (int) rows.biasIds().shape().axis(1);
        for (int i = row * biasMax; i < (row + 1) * biasMax; i++) {
            int id = rows.biasIds().data().getAtIndex(HostArrays.I32, i);
            if (id >= 0) {
                logits[id] += at(rows.biases(), i);
            }
        }
        int mask = rows.maskSlots().data().getAtIndex(HostArrays.I32, row);
        if (mask >= 0) {
            int[] allowed = HostArrays.ints(rows.masks().rows(mask, mask + 1L));
            for (int id = 0; id < logits.length; id++) {
                if ((allowed[id / 32] >>> (id % 32) & 1) == 0 && !Float.isNaN(logits[id])) {
                    logits[id] = Float.NEGATIVE_INFINITY;
                }
            }
        }
        return logits;
    }

    private static float at(Tensor tensor, int index) {
        return tensor.data().getAtIndex(HostArrays.F32, index);
    }

    private static int draw(float[] logits, SamplingRows rows, int row) {
        float temperature = at(rows.temperature(), row);
        int[] falling = falling(logits);
        if (temperature == 0) {
            return falling[0];
        }
        double max = logits[falling[0]];
        double[] weights = new double[logits.length]; // by id; 0 = filtered
        for (int id = 0; id < logits.length; id++) {
            weights[id] = Math.exp((logits[id] - max) / temperature);
            if (weights[id] < at(rows.minP(), row)) {
                weights[id] = 0;
            }
        }
        int topK = rows.topK().data().getAtIndex(HostArrays.I32, row);
        for (int rank = topK; topK > 0 && rank < falling.length; rank++) {
            weights[falling[rank]] = 0;
        }
        float topP = at(rows.topP(), row);
        if (topP < 1) {
            double limit = topP * Arrays.stream(weights).sum();
            double before = 0;
            for (int rank = 0; rank < falling.length; rank++) {
                double weight = weights[falling[rank]];
                if (rank > 0 && before >= limit) {
                    weights[falling[rank]] = 0;
                }
                before += weight;
            }
        }
        long seed = rows.seeds().data().getAtIndex(HostArrays.I64, row);
        long counter = rows.counters().data().getAtIndex(HostArrays.I64, row);
        return pick(weights, CounterRandom.uniform(seed, counter));
    }

    private static int pick(double[] weights, float u) {
        double total = 0;
        for (double weight : weights) {
            total += weight;
        }
        double sum = 0;
        for (int id = 0; id < weights.length; id++) {
            sum += weights[id];
            if (sum > u * total) {
                return id;
            }
        }
        throw new IllegalStateException("a draw of %s from weights of sum %s".formatted(u, total));
    }

    /** Ids by falling logit, lower id first on a tie. */
    private static int[] falling(float[] logits) {
        return IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(id -> -(logits[id] + 0f)))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /** {@code log softmax} of a token and of the most likely ones. */
    private static void report(TokenScores out, int row, int id, float[] logits, boolean usable) {
        int topMax = (int) out.topIds().shape().axis(1);
        double norm = usable ? logSumExp(logits) : Double.NaN;
        float logprob = usable && id >= 0 ? (float) (logits[id] - norm) : Float.NaN;
        out.logprobs().data().setAtIndex(HostArrays.F32, row, logprob);
        int[] falling = usable && topMax > 0 ? falling(logits) : null;
        for (int i = 0; i < topMax; i++) {
            long at = (long) row * topMax + i;
            out.topIds().data().setAtIndex(HostArrays.I32, at, usable ? falling[i] : -1);
            float value = usable ? (float) (logits[falling[i]] - norm) : Float.NaN;
            out.topLogprobs().data().setAtIndex(HostArrays.F32, at, value);
        }
    }

    private static double logSumExp(float[] logits) {
        double max = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        return max + Math.log(sum);
    }
}
