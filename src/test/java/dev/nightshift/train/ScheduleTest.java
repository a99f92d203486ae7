package dev.nightshift.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rates of transformers' schedules: 10 steps of warm-up to 2e-4, 110 in all. */
class ScheduleTest {
    @ParameterizedTest
    @CsvSource({
        "CONSTANT,0,0",
        "CONSTANT,5,1e-4",
        "CONSTANT,10,2e-4",
        "CONSTANT,109,2e-4",
        "LINEAR,0,0",
        "LINEAR,5,1e-4",
        "LINEAR,10,2e-4",
        "LINEAR,35,1.5e-4",
        "LINEAR,109,2e-6",
        "LINEAR,110,0",
        "COSINE,5,1e-4",
        "COSINE,10,2e-4",
        "COSINE,35,1.7071067811865476e-4",
        "COSINE,60,1e-4",
        "COSINE,110,0"
    })
    void ratesFollowTheirCurve(Schedule.Kind kind, int step, double rate) {
        assertThat(new Schedule(kind, 2e-4, 10, 110).rate(step)).isCloseTo(rate, within(1e-12));
    }

    @ParameterizedTest
    @CsvSource({"0,0,10", "-1,0,10", "NaN,0,10", "1,-1,10", "1,0,0"})
    void refusesWhatIsNoCourse(double peak, int warmup, int steps) {
        assertThatThrownBy(() -> new Schedule(Schedule.Kind.LINEAR, peak, warmup, steps))
                .isInstanceOf(IllegalStateException.class);
    }
}
