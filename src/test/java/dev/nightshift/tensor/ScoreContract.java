package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Log-probabilities of given tokens. */
interface ScoreContract extends ContractSubject {

    private static double[] doubles(float[] logits) {
        double[] values = new double[logits.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = logits[i];
        }
        return values;
    }

    private TokenScores scored(Scene scene, int[] ids, int topMax, float[] logits) {
        int rows = ids.length;
        TokenScores out = new TokenScores(
                scene.i32(ids, rows),
                scene.output(rows),
                scene.zeros(DType.I32, rows, topMax),
                scene.output(rows, topMax));
        scene.ops().score(out, scene.f32(logits, rows, logits.length / rows));
        return out;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 1021, 4098})
    default void scoresGivenTokens(int vocab) {
        Random random = random("score" + vocab);
        Scene scene = scene();
        int topMax = Math.min(20, vocab);
        int[] ids = {vocab - 1, 0, vocab / 2, vocab / 3};
        float[] logits = HostTensors.normal(random, ids.length * vocab, 4);
        TokenScores out = scored(scene, ids, topMax, logits);
        float[] logprobs = scene.floats(out.logprobs());
        int[] topIds = scene.ints(out.topIds());
        float[] topLogprobs = scene.floats(out.topLogprobs());
        assertThat(scene.ints(out.ids())).isEqualTo(ids);
        for (int row = 0; row < ids.length; row++) {
            double[] own = doubles(Arrays.copyOfRange(logits, row * vocab, (row + 1) * vocab));
            double norm = SamplingFormulas.logSumExp(own);
            SamplingTrial.assertLogprob("row " + row, logprobs[row], own[ids[row]] - norm);
            for (int i = 0; i < topMax; i++) {
                int id = SamplingFormulas.ranked(own).get(i);
                assertThat(topIds[row * topMax + i]).isEqualTo(id);
                SamplingTrial.assertLogprob("top " + i, topLogprobs[row * topMax + i], own[id] - norm);
            }
        }
    }

    @Test
    default void topListsPutLowerIdsFirstOnATie() {
        Scene scene = scene();
        float none = Float.NEGATIVE_INFINITY;
        TokenScores out = scored(
                scene, new int[] {4, 1, -1}, 4, new float[] {1, 2, 2, 1, 2, none, none, 0, none, none, 0, 0, 0, 0, 0});
        assertThat(scene.ints(out.topIds())).containsExactly(1, 2, 4, 0, 2, 0, 1, 3, 0, 1, 2, 3);
        float[] logprobs = scene.floats(out.logprobs());
        SamplingTrial.assertLogprob("tie", logprobs[0], -Math.log(3 + 2 * Math.exp(-1)));
        assertThat(logprobs[1]).isEqualTo(none);
        assertThat(logprobs[2]).isNaN();
    }

    @Test
    default void rowsThatAreNotFiniteScoreNan() {
        Scene scene = scene();
        float inf = Float.POSITIVE_INFINITY;
        TokenScores out = scored(scene, new int[] {0, 1, 1}, 1, new float[] {1, Float.NaN, inf, 0, 1, 1});
        float[] logprobs = scene.floats(out.logprobs());
        assertThat(logprobs[0]).isNaN();
        assertThat(logprobs[1]).isNaN();
        SamplingTrial.assertLogprob("finite row", logprobs[2], -Math.log(2));
        assertThat(scene.ints(out.topIds())).containsExactly(-1, -1, 0);
    }
}
