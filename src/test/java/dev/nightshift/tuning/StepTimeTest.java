package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class StepTimeTest {
    private static final long MS = 1_000_000;
    private final StepTime.Measure measure = new StepTime.Measure();

    /** 30 layers, compiled after the tenth, and a stage that comes once. */
    private void firstStep() {
        measure.begin();
        measure.ran("load", 0, 10 * MS);
        for (int layer = 0; layer < 30; layer++) {
            measure.ran("project", 1000, (layer < 10 ? 500 : 20) * MS);
            // half of the work in half of the time
            measure.ran("project", 500, (layer < 10 ? 250 : 10) * MS);
        }
    }

    @Test
    void aFirstStepsLastLayersTellWhatALaterStepTakes() {
        firstStep();
        StepTime time = measure.end(8_200 * MS, 50);
        assertThat(time.seconds()).isEqualTo(8.2);
        // what lies between the stages gets shorter in proportion
        assertThat(time.latest()).isCloseTo(0.91 * 8.2 / 8.11, within(1e-9));
        assertThat(time.tokens()).isEqualTo(50);
    }

    @Test
    void stepsOfEvenSpeedTakeWhatTheyTook() {
        firstStep();
        measure.begin();
        for (int stage = 0; stage < 1000; stage++) {
            measure.ran("project", 100 + stage % 7, (100 + stage % 7) * MS);
        }
        StepTime time = measure.end(110_000 * MS, 50);
        assertThat(time.latest()).isCloseTo(110, within(1e-6));
    }
}
