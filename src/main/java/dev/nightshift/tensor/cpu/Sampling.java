package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.CounterRandom;
import dev.nightshift.tensor.SamplingRows;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TokenScores;

/** {@code sample} and {@code score}: rows are shared among the threads; the vocabulary is never sorted as a whole. */
final class Sampling {
    private final Workers workers;
    private final RowLanes lanes;
    private final TokenFilter[] filters;
    private final Workers.Job sampleJob = this::sample;
    private final Workers.Job scoreJob = this::score;

    private SamplingRows rows;
    private int vocabulary;
    private int topMax;
    private long logits;
    private long ids;
    private long logprobs;
    private long topIds;
    private long topLogprobs;

    Sampling(Workers workers, RowLanes lanes) {
        this.workers = workers;
        this.lanes = lanes;
        filters = new TokenFilter[workers.threads()];
        for (int i = 0; i < filters.length; i++) {
            filters[i] = new TokenFilter(lanes);
        }
    }

    private int bind(TokenScores out, Tensor logits) {
        vocabulary = Math.toIntExact(logits.shape().axis(1));
        this.logits = Raw.address(logits);
        ids = Raw.address(out.ids());
        logprobs = Raw.address(out.logprobs());
        topMax = Math.toIntExact(out.topIds().shape().axis(1));
        topIds = Raw.address(out.topIds());
        topLogprobs = Raw.address(out.topLogprobs());
        for (TokenFilter filter : filters) {
            filter.reserve(vocabulary);
        }
        return Math.toIntExact(logits.shape().axis(0));
    }

    void sample(TokenScores out, Tensor logits, SamplingRows rows) {
        this.rows = rows;
        workers.run(sampleJob, bind(out, logits));
    }

    void score(TokenScores out, Tensor logits) {
        workers.run(scoreJob, bind(out, logits));
    }

    private static float f32(Tensor tensor, int row) {
        return Raw.f32(Raw.address(tensor) + 4L * row);
    }

    private static int i32(Tensor tensor, int row) {
        return Raw.i32(Raw.address(tensor) + 4L * row);
    }

    private static long i64(Tensor tensor, int row) {
        return Raw.i64(Raw.address(tensor) + 8L * row);
    }

    private void sample(int row, int thread) {
        long x = logits + 4L * row * vocabulary;
        TokenFilter filter = filters[thread];
        int historySlot = i32(rows.historySlots(), row);
        long history = historySlot < 0 ? 0 : Raw.address(rows.history()) + 4L * historySlot * vocabulary;
        if (history != 0) {
            penalise(x, history, row);
        }
        bias(x, row);
        mask(x, row);
        float max = lanes.max(x, vocabulary);
        if (!(max > Float.NEGATIVE_INFINITY && max < Float.POSITIVE_INFINITY)) {
            refuse(row);
            return;
        }
        double logTotal = max + Math.log(filter.total(x, max));
        float temperature = f32(rows.temperature(), row);
        int id = temperature == 0
                ? lanes.first(x, vocabulary, max)
                : filter.draw(
                        x,
                        max,
                        temperature,
                        f32(rows.minP(), row),
                        i32(rows.topK(), row),
                        f32(rows.topP(), row),
                        CounterRandom.uniform(i64(rows.seeds(), row), i64(rows.counters(), row)));
        Raw.i32(ids + 4L * row, id);
        Raw.f32(logprobs + 4L * row, (float) (Raw.f32(x + 4L * id) - logTotal));
        best(x, row, logTotal, filter);
        if (history != 0) {
            Raw.i32(history + 4L * id, Raw.i32(history + 4L * id) + 1);
        }
    }

    private void penalise(long x, long history, int row) {
        float repetition = f32(rows.repetitionPenalty(), row);
        float presence = f32(rows.presencePenalty(), row);
        float frequency = f32(rows.frequencyPenalty(), row);
        for (int id = 0; id < vocabulary; id++) {
            int seen = Raw.i32(history + 4L * id);
            if (seen != 0) {
                float logit = Raw.f32(x + 4L * id);
                logit = logit > 0 ? logit / repetition : logit * repetition;
                int count = seen & Integer.MAX_VALUE;
                if (count > 0) {
                    logit -= frequency * count;
                    logit -= presence;
                }
                Raw.f32(x + 4L * id, logit);
            }
        }
    }

    private void bias(long x, int row) {
        int most = Math.toIntExact(rows.biasIds().shape().axis(1));
        for (int i = row * most; i < (row + 1) * most; i++) {
            int id = i32(rows.biasIds(), i);
            if (id >= 0 && id < vocabulary) {
                Raw.f32(x + 4L * id, Raw.f32(x + 4L * id) + f32(rows.biases(), i));
            }
        }
    }

    private void mask(long x, int row) {
        int slot = i32(rows.maskSlots(), row);
        if (slot < 0) {
            return;
        }
        int words = (vocabulary + 31) / 32;
        for (int word = 0; word < words; word++) {
            int allowed = i32(rows.masks(), slot * words + word);
            if (allowed != -1) {
                for (int id = 32 * word; id < Math.min(32 * word + 32, vocabulary); id++) {
                    if ((allowed >>> id & 1) == 0) {
                        Raw.f32(x + 4L * id, Float.NEGATIVE_INFINITY);
                    }
                }
            }
        }
    }

    private void refuse(int row) {
        Raw.i32(ids + 4L * row, -1);
        refuseScores(row);
    }

    private void refuseScores(int row) {
        Raw.f32(logprobs + 4L * row, Float.NaN);
        for (int i = row * topMax; i < (row + 1) * topMax; i++) {
            Raw.i32(topIds + 4L * i, -1);
            Raw.f32(topLogprobs + 4L * i, Float.NaN);
        }
    }

    /** The most likely tokens of a row. */
    private void best(long x, int row, double logTotal, TokenFilter filter) {
        if (topMax == 0) {
            return;
        }
        int count = Math.min(topMax, vocabulary);
        long[] keys = filter.largest(x, count);
        for (int i = 0; i < topMax; i++) {
            int id = i < count ? Ranking.id(keys[i]) : -1;
            Raw.i32(topIds + 4L * (row * topMax + i), id);
            float logprob = id < 0 ? Float.NaN : (float) (Raw.f32(x + 4L * id) - logTotal);
            Raw.f32(topLogprobs + 4L * (row * topMax + i), logprob);
        }
    }

    private void score(int row, int thread) {
        long x = logits + 4L * row * vocabulary;
        float max = lanes.max(x, vocabulary);
        if (!(max > Float.NEGATIVE_INFINITY && max < Float.POSITIVE_INFINITY)) {
            refuseScores(row);
            return;
        }
        double logTotal = max + Math.log(filters[thread].total(x, max));
        int id = Raw.i32(ids + 4L * row);
        float logprob = id < 0 || id >= vocabulary ? Float.NaN : (float) (Raw.f32(x + 4L * id) - logTotal);
        Raw.f32(logprobs + 4L * row, logprob);
        best(x, row, logTotal, filters[thread]);
    }
}
