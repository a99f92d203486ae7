package dev.nightshift.tensor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RankingTest {

    @Test
    void keysOrderByFallingValueThenById() {
        float[] falling = {Float.POSITIVE_INFINITY, 3, 1e-30f, 0, -1e-30f, -2, Float.NEGATIVE_INFINITY};
        for (int i = 1; i < falling.length; i++) {
            assertThat(Ranking.key(falling[i - 1], 9)).isGreaterThan(Ranking.key(falling[i], 0));
        }
        assertThat(Ranking.key(-0f, 1)).isGreaterThan(Ranking.key(0f, 2)).isLessThan(Ranking.key(0f, 0));
        assertThat(Ranking.id(Ranking.key(-7f, 123_456))).isEqualTo(123_456);
    }

    @Test
    void selectFindsTheNthLargest() {
        Random random = new Random(7);
        for (int round = 0; round < 500; round++) {
            long[] keys = random.longs(1 + random.nextInt(200), -20, 20).toArray();
            long[] sorted = keys.clone();
            Arrays.sort(sorted);
            int count = 1 + random.nextInt(keys.length);
            assertThat(Ranking.select(keys, keys.length, count)).isEqualTo(sorted[keys.length - count]);
            long[] best = Arrays.copyOf(keys, count);
            Arrays.sort(best);
            assertThat(best).isEqualTo(Arrays.copyOfRange(sorted, keys.length - count, keys.length));
        }
    }
}
