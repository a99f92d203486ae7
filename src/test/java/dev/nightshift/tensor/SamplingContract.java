package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One token for each row, as {@link SamplingRows} says. */
interface SamplingContract extends ContractSubject {
    float BAN = Float.NEGATIVE_INFINITY;

    private SamplingTrial sampled(Choice... choices) {
        return new SamplingTrial(scene(), 3, List.of(choices));
    }

    @Test
    default void greedyTakesTheLowestIdOfATie() {
        SamplingTrial trial = sampled(
                Choice.greedy(1, 3, 2, 3, 3),
                Choice.greedy(0, 0, 0, 0, 0),
                Choice.greedy(-5, -4, -3, -2, -1),
                Choice.greedy(BAN, -9, BAN, BAN, BAN));
        assertThat(trial.ids).containsExactly(1, 0, 4, 1);
        assertThat(Arrays.copyOf(trial.topIds, 6)).containsExactly(1, 3, 4, 0, 1, 2);
        assertThat(trial.logprobs[3]).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {13, 207, 1021, 4098})
    default void drawsWhatTheFormulaDraws(int vocab) {
        Random random = random("draw" + vocab);
        List<Choice> choices = new ArrayList<>();
        for (int row = 0; row < 24; row++) {
            float[] logits = HostTensors.normal(random, vocab, 3);
            Choice choice = Choice.drawn(logits, 0.1f + 2 * random.nextFloat(), random.nextLong(), random.nextInt(99));
            choices.add(
                    switch (row % 6) {
                        case 0 -> choice;
                        case 1 -> choice.filtered(1 + random.nextInt(vocab), 1, 0);
                        case 2 -> choice.filtered(0, 0.05f + 0.9f * random.nextFloat(), 0);
                        case 3 -> choice.filtered(0, 1, 0.2f * random.nextFloat());
                        case 4 -> choice.filtered(5, 0.8f, 0.01f);
                        default -> Choice.greedy(logits);
                    });
        }
        new SamplingTrial(scene(), 10, choices).check();
    }

    @Test
    default void filtersKeepWhatTheyPromise() {
        float[] logits = {2, 5, 1, 5, 3, 0, 5, 4};
        for (long counter = 0; counter < 40; counter++) {
            Choice choice = Choice.drawn(logits, 3, 11, counter);
            SamplingTrial trial = sampled(
                    choice.filtered(1, 1, 0),
                    choice.filtered(2, 1, 0),
                    choice.filtered(0, 1e-6f, 0),
                    choice.filtered(0, 1, 1),
                    choice.filtered(100, 0.999999f, 0));
            trial.check();
            assertThat(trial.ids[0]).isEqualTo(1);
            assertThat(trial.ids[1]).isIn(1, 3);
            assertThat(trial.ids[2]).isEqualTo(1);
            assertThat(trial.ids[3]).isIn(1, 3, 6);
        }
    }

    @Test
    default void extremeTemperaturesStayFinite() {
        float[] logits = {1, 2, 30, 29, 2};
        sampled(
                        Choice.drawn(logits, 1e-30f, 3, 1),
                        Choice.drawn(logits, 1e30f, 3, 1),
                        Choice.drawn(logits, 0.01f, 3, 1))
                .check();
    }

    @Test
    default void penalisesWhatWasSaidAndCountsTheToken() {
        Random random = random("penalties");
        List<Choice> choices = new ArrayList<>();
        for (int row = 0; row < 12; row++) {
            int[] history = new int[207];
            for (int id = 0; id < history.length; id++) {
                history[id] =
                        (random.nextInt(4) == 0 ? 0x8000_0000 : 0) | (random.nextInt(3) == 0 ? random.nextInt(5) : 0);
            }
            float[] logits = HostTensors.normal(random, 207, 3);
            Choice choice = row % 2 == 0 ? Choice.greedy(logits) : Choice.drawn(logits, 0.8f, random.nextLong(), row);
            choices.add(
                    row % 3 == 0
                            ? choice
                            : choice.penalised(
                                    0.8f + random.nextFloat(), random.nextFloat(), random.nextFloat() - 0.3f, history));
        }
        new SamplingTrial(scene(), 5, choices).check();
    }

    @Test
    default void penaltiesDoWhatTheirNamesSay() {
        int prompt = 0x8000_0000;
        SamplingTrial trial = sampled(
                Choice.greedy(4, 3, -1, -2).penalised(2, 0, 0, prompt, 0, 0, 0),
                Choice.greedy(-4, -3, -1, -2).penalised(3, 0, 0, 0, 0, 1, 0),
                Choice.greedy(4, 3, -1, -2).penalised(1, 2, 0, prompt, 0, 0, 0),
                Choice.greedy(4, 3, -1, -2).penalised(1, 2, 0, 1, 0, 0, 0),
                Choice.greedy(4, 3, -1, -2).penalised(1, 0, 0.6f, prompt | 2, 0, 0, 0));
        trial.check();
        assertThat(trial.ids).containsExactly(1, 3, 0, 1, 1);
        assertThat(trial.histories.get(2)).containsExactly(prompt | 1, 0, 0, 0);
    }

    @Test
    default void biasesAndBansTokens() {
        float[] logits = {1, 5, 3, 4, 2};
        SamplingTrial trial = sampled(
                Choice.greedy(logits).biased(Map.of(2, 10f)),
                Choice.greedy(logits).biased(Map.of(1, BAN, 3, BAN)),
                Choice.greedy(logits).biased(Map.of(0, 4.5f, 4, -100f)),
                Choice.drawn(logits, 1, 5, 6).biased(Map.of(0, BAN, 1, BAN, 2, BAN, 3, BAN)));
        trial.check();
        assertThat(trial.ids).containsExactly(2, 2, 0, 4);
    }

    @Test
    default void masksAllowWhatTheirBitsSay() {
        Random random = random("mask");
        List<Choice> choices = new ArrayList<>();
        for (int row = 0; row < 8; row++) {
            boolean[] allowed = new boolean[207];
            for (int id = 0; id < allowed.length; id++) {
                allowed[id] = random.nextInt(10) == 0;
            }
            allowed[row * 29] = true;
            float[] logits = HostTensors.normal(random, 207, 3);
            Choice choice = row % 2 == 0 ? Choice.greedy(logits) : Choice.drawn(logits, 1, row, 3);
            choices.add(row == 3 ? choice : choice.masked(allowed));
        }
        new SamplingTrial(scene(), 1, choices).check();
    }

    @Test
    default void aRowThatIsNotFiniteOrAllowsNothingGivesMinusOne() {
        float inf = Float.POSITIVE_INFINITY;
        int[] history = {3, 0, 0};
        SamplingTrial trial = sampled(
                Choice.greedy(1, Float.NaN, 3),
                Choice.drawn(new float[] {Float.NaN, Float.NaN, Float.NaN}, 1, 1, 1)
                        .penalised(2, 1, 1, history),
                Choice.greedy(BAN, BAN, BAN),
                Choice.greedy(1, 2, 3).biased(Map.of(0, BAN, 1, BAN, 2, BAN)),
                Choice.greedy(1, 2, 3).masked(false, false, false),
                Choice.drawn(new float[] {1, inf, 3}, 1, 1, 1),
                Choice.drawn(new float[] {1, 2, Float.NaN}, 1, 1, 1).filtered(1, 0.5f, 0.1f),
                Choice.greedy(1, 2, 3));
        assertThat(trial.ids).containsExactly(-1, -1, -1, -1, -1, -1, -1, 2);
        for (int row = 0; row < 7; row++) {
            assertThat(trial.logprobs[row]).isNaN();
            assertThat(Arrays.copyOfRange(trial.topIds, row * 3, row * 3 + 3)).containsOnly(-1);
            assertThat(trial.topLogprobs[row * 3]).isNaN();
        }
        assertThat(trial.histories.getFirst()).isEqualTo(history);
        assertThat(Arrays.copyOfRange(trial.topIds, 21, 24)).containsExactly(2, 1, 0);
    }

    @Test
    default void theDrawDependsOnSeedAndCounterAlone() {
        Random random = random("seeds");
        List<Choice> choices = new ArrayList<>();
        float[] logits = HostTensors.normal(random, 207, 1);
        for (int i = 0; i < 20; i++) {
            choices.add(Choice.drawn(logits, 1.5f, random.nextLong(), i));
        }
        int[] together = new SamplingTrial(scene(), 1, choices).ids;
        for (int i = 0; i < 20; i++) {
            assertThat(sampled(choices.get(i)).ids[0]).isEqualTo(together[i]);
        }
        List<Choice> others = new ArrayList<>(choices);
        Collections.reverse(others);
        others.replaceAll(choice -> others.indexOf(choice) % 2 == 0
                ? choice
                : Choice.drawn(HostTensors.normal(random, 207, 9), 0.3f, random.nextLong(), 0)
                        .filtered(3, 0.5f, 0));
        int[] beside = new SamplingTrial(scene(), 1, others).ids;
        for (int i = 0; i < 20; i += 2) {
            assertThat(beside[i]).isEqualTo(together[19 - i]);
        }
        assertThat(Arrays.stream(together).distinct().count()).isGreaterThan(5);
    }

    /** Twelve degrees of freedom: chi-square stays below 55 but for one draw in 5 million. */
    @Test
    default void drawsFollowTheDistribution() {
        Random random = random("distribution");
        int vocab = 13;
        float[] logits = HostTensors.normal(random, vocab, 1);
        double[] expected = new double[vocab];
        double norm = 0;
        for (int id = 0; id < vocab; id++) {
            expected[id] = Math.exp(logits[id] / 1.3);
            norm += expected[id];
        }
        long seed = random.nextLong();
        int draws = 16_384;
        int[] counts = new int[vocab];
        for (int from = 0; from < draws; from += 512) {
            List<Choice> choices = new ArrayList<>();
            for (int counter = from; counter < from + 512; counter++) {
                choices.add(Choice.drawn(logits, 1.3f, seed, counter));
            }
            for (int id : new SamplingTrial(scene(), 1, choices).ids) {
                counts[id]++;
            }
        }
        double chiSquare = 0;
        for (int id = 0; id < vocab; id++) {
            double mean = draws * expected[id] / norm;
            chiSquare += (counts[id] - mean) * (counts[id] - mean) / mean;
        }
        assertThat(chiSquare).isLessThan(55);
    }
}
