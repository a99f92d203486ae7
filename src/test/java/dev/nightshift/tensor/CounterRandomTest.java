package dev.nightshift.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class CounterRandomTest {

    /** The known answers that the authors publish for philox4x32 with 10 rounds (kat_vectors of Random123). */
    @Test
    void matchesTheAuthorsKnownAnswers() {
        assertThat(block(0, 0, 0, 0)).containsExactly(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
        assertThat(block(-1, -1, -1, -1)).containsExactly(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
        assertThat(block(0x299f31d0_a4093822L, 0x85a308d3_243f6a88L, 0x13198a2e, 0x03707344))
                .containsExactly(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
    }

    private static int[] block(long key, long counter01, int counter2, int counter3) {
        int[] words = new int[4];
        CounterRandom.block(words, key, counter01, counter2, counter3);
        return words;
    }

    @Test
    void neighboursInARowShareABlock() {
        float[] four = new float[4];
        for (int quarter : new int[] {0, 1, 1000}) {
            CounterRandom.uniforms(four, 99, CounterRandom.DROPOUT, 7, quarter);
            for (int i = 0; i < 4; i++) {
                assertThat(CounterRandom.uniform(99, CounterRandom.DROPOUT, 7, 4 * quarter + i))
                        .isEqualTo(four[i]);
            }
        }
        assertThat(four[0]).isNotEqualTo(four[1]);
        assertThat(CounterRandom.uniform(99, CounterRandom.DROPOUT, 8, 4000)).isNotEqualTo(four[0]);
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
