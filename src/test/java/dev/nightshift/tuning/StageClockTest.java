package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class StageClockTest {
    private final StageClock clock = new StageClock();

    @Test
    void knowsNothingOfAKindThatNeverRan() {
        clock.ran("mix", 10, 1000);
        assertThat(clock.expected("head", 10)).isEmpty();
    }

    @Test
    void scalesWithOperations() {
        clock.ran("mix", 10, 1000);
        assertThat(clock.expected("mix", 25)).hasValue(2500);
    }

    @Test
    void reckonsWithMoreTimeWhereMeasurementsScatter() {
        StageClock even = new StageClock();
        for (int i = 0; i < 50; i++) {
            even.ran("mix", 1, 1000);
            clock.ran("mix", 1, i % 2 == 0 ? 800 : 1200);
        }
        assertThat(even.expected("mix", 1)).hasValue(1000);
        assertThat(clock.expected("mix", 1).orElseThrow()).isBetween(1400L, 1900L);
    }

    @Test
    void remembersALongStageForAWhile() {
        for (int i = 0; i < 50; i++) {
            clock.ran("mix", 1, 1000);
        }
        clock.ran("mix", 1, 3000);
        for (int i = 0; i < 20; i++) {
            clock.ran("mix", 1, 1000);
        }
        assertThat(clock.expected("mix", 1).orElseThrow()).isBetween(2000L, 2800L);
        for (int i = 0; i < 300; i++) {
            clock.ran("mix", 1, 1000);
        }
        assertThat(clock.expected("mix", 1).orElseThrow()).isBetween(1000L, 1020L);
    }
}
