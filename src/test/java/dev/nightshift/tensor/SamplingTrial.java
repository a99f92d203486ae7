package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;

/** One call of {@code sample} and what came of it. */
final class SamplingTrial {
    /** Log-probabilities come from fp32 logits of a size around ten through exp, a long sum and log. */
    static final double LOGPROB_TOLERANCE = 2e-5;

    final int[] ids;
    final float[] logprobs;
    final int[] topIds;
    final float[] topLogprobs;
    /** History rows afterwards, one for each choice that has one. */
    final List<int[]> histories = new ArrayList<>();

    private final List<Choice> choices;
    private final int topMax;

    SamplingTrial(Scene scene, int topMax, List<Choice> choices) {
        this.choices = choices;
        this.topMax = topMax;
        int rows = choices.size();
        int vocab = choices.getFirst().logits().length;
        Tensor history = history(scene, vocab);
        TokenScores out = new TokenScores(
                scene.zeros(DType.I32, rows),
                scene.output(rows),
                scene.zeros(DType.I32, rows, topMax),
                scene.output(rows, topMax));
        scene.ops().sample(out, logits(scene, choices), rows(scene, vocab, history));
        ids = scene.ints(out.ids());
        logprobs = scene.floats(out.logprobs());
        topIds = scene.ints(out.topIds());
        topLogprobs = scene.floats(out.topLogprobs());
        int[] after = scene.ints(history);
        for (int i = 0; i * vocab < after.length; i++) {
            histories.add(Arrays.copyOfRange(after, i * vocab, (i + 1) * vocab));
        }
    }

    static Tensor logits(Scene scene, List<Choice> choices) {
        int vocab = choices.getFirst().logits().length;
        float[] all = new float[choices.size() * vocab];
        for (int row = 0; row < choices.size(); row++) {
            System.arraycopy(choices.get(row).logits(), 0, all, row * vocab, vocab);
        }
        return scene.f32(all, choices.size(), vocab);
    }

    private Tensor history(Scene scene, int vocab) {
        int[] all = choices.stream()
                .filter(choice -> choice.history() != null)
                .flatMapToInt(choice -> Arrays.stream(choice.history()))
                .toArray();
        return all.length == 0 ? scene.i32(new int[vocab], 1, vocab) : scene.i32(all, all.length / vocab, vocab);
    }

    private SamplingRows rows(Scene scene, int vocab, Tensor history) {
        int rows = choices.size();
        int biasMax = choices.stream().mapToInt(c -> c.biases().size()).max().orElseThrow() + 1;
        int[] biasIds = new int[rows * biasMax];
        Arrays.fill(biasIds, -1);
        float[] biases = new float[rows * biasMax];
        int[] historySlots = new int[rows];
        int[] maskSlots = new int[rows];
        int words = (vocab + 31) / 32;
        int[] masks = new int[(rows + 1) * words];
        int histories = 0;
        for (int row = 0; row < rows; row++) {
            Choice choice = choices.get(row);
            // the free place comes first: backends must not stop there
            int at = row * biasMax + 1;
            for (Map.Entry<Integer, Float> bias : choice.biases().entrySet()) {
                biasIds[at] = bias.getKey();
                biases[at++] = bias.getValue();
            }
            historySlots[row] = choice.history() == null ? -1 : histories++;
            maskSlots[row] = choice.allowed() == null ? -1 : row;
            for (int id = 0; choice.allowed() != null && id < vocab; id++) {
                if (choice.allowed()[id]) {
                    masks[row * words + id / 32] |= 1 << (id % 32);
                }
            }
        }
        return new SamplingRows(
                column(scene, Choice::temperature),
                scene.i32(choices.stream().mapToInt(Choice::topK).toArray(), rows),
                column(scene, Choice::topP),
                column(scene, Choice::minP),
                column(scene, Choice::repetition),
                column(scene, Choice::presence),
                column(scene, Choice::frequency),
                scene.put(
                        HostTensors.i64(choices.stream().mapToLong(Choice::seed).toArray(), rows)),
                scene.put(HostTensors.i64(
                        choices.stream().mapToLong(Choice::counter).toArray(), rows)),
                scene.i32(biasIds, rows, biasMax),
                scene.f32(biases, rows, biasMax),
                scene.i32(historySlots, rows),
                history,
                scene.i32(maskSlots, rows),
                scene.i32(masks, rows + 1L, words));
    }

    private interface Parameter {
        float of(Choice choice);
    }

    private Tensor column(Scene scene, Parameter parameter) {
        float[] values = new float[choices.size()];
        for (int row = 0; row < values.length; row++) {
            values[row] = parameter.of(choices.get(row));
        }
        return scene.f32(values, values.length);
    }

    /** Tokens, log-probabilities, top lists and histories are what the formulas say. */
    SamplingTrial check() {
        int histories = 0;
        for (int row = 0; row < choices.size(); row++) {
            Choice choice = choices.get(row);
            assertThat(SamplingFormulas.acceptable(choice))
                    .as("row %d: %s", row, choice)
                    .contains(ids[row]);
            double[] logits = SamplingFormulas.adjusted(choice);
            double norm = SamplingFormulas.logSumExp(logits);
            assertLogprob("row " + row, logprobs[row], logits[ids[row]] - norm);
            checkTop(row, logits, norm);
            if (choice.history() != null) {
                int[] counted = choice.history().clone();
                counted[ids[row]]++;
                assertThat(this.histories.get(histories++)).isEqualTo(counted);
            }
        }
        return this;
    }

    private void checkTop(int row, double[] logits, double norm) {
        List<Integer> ranked = SamplingFormulas.ranked(logits);
        for (int i = 0; i < topMax; i++) {
            int id = topIds[row * topMax + i];
            String what = "row %d, place %d".formatted(row, i);
            assertLogprob(what, topLogprobs[row * topMax + i], logits[ranked.get(i)] - norm);
            // an id may differ only from one whose logit is the same within rounding
            assertLogprob(what, (float) (logits[id] - norm), logits[ranked.get(i)] - norm);
        }
        assertThat(Arrays.stream(topIds, row * topMax, (row + 1) * topMax)
                        .distinct()
                        .count())
                .isEqualTo(topMax);
    }

    static void assertLogprob(String what, float actual, double wanted) {
        if (Double.isInfinite(wanted)) {
            assertThat((double) actual).as(what).isEqualTo(wanted);
        } else {
            assertThat((double) actual)
                    .as(what)
                    .isCloseTo(wanted, Offset.offset(LOGPROB_TOLERANCE * (1 + Math.abs(wanted) / 16)));
        }
    }
}
