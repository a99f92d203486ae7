package dev.nightshift.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ArrivalsTest {
    private static final int MANY = 20_000;

    @Test
    void gapsHaveTheMeanOfTheRateAndTheSpreadOfTheShape() {
        for (double shape : new double[] {0.25, 0.5, 1, 4}) {
            Random random = new Random(7);
            double[] gaps = IntStream.range(0, MANY)
                    .mapToDouble(i -> Arrivals.gamma(shape, random) / shape)
                    .toArray();
            double mean =
                    IntStream.range(0, MANY).mapToDouble(i -> gaps[i]).average().orElseThrow();
            double variance = IntStream.range(0, MANY)
                    .mapToDouble(i -> (gaps[i] - mean) * (gaps[i] - mean))
                    .average()
                    .orElseThrow();
            // standard errors at 20,000 draws are 0.014 and below 0.15 for the burstiest
            assertThat(mean).isCloseTo(1, within(0.05));
            assertThat(variance * shape).isCloseTo(1, within(0.15));
        }
    }

    @Test
    void theLastRequestIsDueAtTheRatesTime() {
        long[] due = Arrivals.schedule(100, 20, 0.5, new Random(3));
        assertThat(due[99]).isCloseTo(5_000_000_000L, within(1000L));
        assertThat(due).isSorted();
        assertThat(Arrivals.schedule(3, Double.POSITIVE_INFINITY, 1, new Random(3)))
                .containsOnly(0);
    }

    @Test
    void theFirstModelIsTheMostAskedFor() {
        Random random = new Random(5);
        int[] counts = new int[8];
        for (int i = 0; i < MANY; i++) {
            counts[Arrivals.zipf(8, 1, random)]++;
        }
        // 1 / H(8) = 0.368
        assertThat(counts[0] / (double) MANY).isCloseTo(0.368, within(0.02));
        assertThat(counts[0]).isGreaterThan(counts[3]);
    }

    @Test
    void refusesAnOptionItDoesNotKnow() {
        assertThatThrownBy(() -> LoadOptions.parse("--rat", "4")).hasMessageContaining("rat");
        assertThat(LoadOptions.parse("--rate", "4", "--models", "a,b").models()).containsExactly("a", "b");
    }
}
