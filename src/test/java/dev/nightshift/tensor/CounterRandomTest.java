package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class CounterRandomTest {

    /** The known answers that the authors publish for philox4x32 with 10 rounds (kat_vectors of Random123). */
    @Test
    void matchesTheAuthorsKnownAnswers() {
        assertThat(CounterRandom.block(0, 0, 0, 0, 0)).isEqualTo(0x6627e8d5_e169c58dL);
        assertThat(CounterRandom.block(-1, -1, -1L, -1, -1)).isEqualTo(0x408f276d_41c83b0eL);
        assertThat(CounterRandom.block(0xa4093822, 0x299f31d0, 0x85a308d3_243f6a88L, 0x13198a2e, 0x03707344))
                .isEqualTo(0xd16cfe09_94fdccebL);
    }

    @Test
    void staysBelowOneAndIsUniform() {
        int buckets = 64;
        int draws = 64_000;
        int[] counts = new int[buckets];
        for (int i = 0; i < draws; i++) {
            float u = CounterRandom.uniform(42, i);
            assertThat(u).isGreaterThanOrEqualTo(0).isLessThan(1);
            counts[(int) (u * buckets)]++;
        }
        double chiSquare = 0;
        for (int count : counts) {
            double expected = (double) draws / buckets;
            chiSquare += (count - expected) * (count - expected) / expected;
        }
        // 63 degrees of freedom: 1e-6 quantile of the upper tail is 131
        assertThat(chiSquare).isLessThan(131);
    }

    @Test
    void differsBySeedStreamAndCounter() {
        int reference = CounterRandom.bits(7, CounterRandom.SAMPLING, 3);
        assertThat(CounterRandom.bits(8, CounterRandom.SAMPLING, 3)).isNotEqualTo(reference);
        assertThat(CounterRandom.bits(7 + (1L << 32), CounterRandom.SAMPLING, 3))
                .isNotEqualTo(reference);
        assertThat(CounterRandom.bits(7, CounterRandom.DROPOUT, 3)).isNotEqualTo(reference);
        assertThat(CounterRandom.bits(7, CounterRandom.SAMPLING, 4)).isNotEqualTo(reference);
        assertThat(CounterRandom.bits(7, CounterRandom.SAMPLING, 3 + (1L << 32)))
                .isNotEqualTo(reference);
    }
}
