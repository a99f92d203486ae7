package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class PublishCheckTest {
    private static final OptionalDouble NO = OptionalDouble.empty();

    private static Job.Metrics before(double loss) {
        return new Job.Metrics(0, NO, NO, NO, NO, OptionalDouble.of(loss), NO, NO, NO);
    }

    private static List<Job.Metrics> losses(double... losses) {
        List<Job.Metrics> rows = new ArrayList<>();
        for (double loss : losses) {
            rows.add(new Job.Metrics(rows.size() + 1, OptionalDouble.of(loss), NO, NO, NO, NO, NO, NO, NO));
        }
        return rows;
    }

    private static Optional<String> refusal(PublishRule rule, boolean finite, List<Job.Metrics> history, Double after) {
        return PublishCheck.refusal(rule, finite, history, Optional.ofNullable(after));
    }

    @Test
    void betterMeansBelowTheLossBeforeTraining() {
        assertThat(refusal(PublishRule.BETTER, true, List.of(before(2)), 1.9)).isEmpty();
        assertThat(refusal(PublishRule.BETTER, true, List.of(before(2)), 2.0)).isPresent();
        assertThat(refusal(PublishRule.BETTER, true, List.of(before(2)), Double.NaN))
                .isPresent();
    }

    @Test
    void withoutValidationRowsTheTrainingLossMustHaveFallen() {
        assertThat(refusal(PublishRule.BETTER, true, losses(3, 2, 1), null)).isEmpty();
        assertThat(refusal(PublishRule.BETTER, true, losses(1, 2, 3), null)).isPresent();
    }

    @Test
    void finiteAsksForNothingElse() {
        assertThat(refusal(PublishRule.FINITE, true, List.of(before(2)), 5.0)).isEmpty();
        assertThat(refusal(PublishRule.FINITE, false, losses(3, 1), null)).isPresent();
        assertThat(refusal(PublishRule.BETTER, false, losses(3, 1), null)).isPresent();
    }
}
