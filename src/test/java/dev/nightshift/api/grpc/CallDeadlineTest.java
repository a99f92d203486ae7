package dev.nightshift.api.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class CallDeadlineTest {
    @Test
    void readsEveryUnit() {
        assertThat(CallDeadline.parse("2H")).contains(Duration.ofHours(2));
        assertThat(CallDeadline.parse("3M")).contains(Duration.ofMinutes(3));
        assertThat(CallDeadline.parse("4S")).contains(Duration.ofSeconds(4));
        assertThat(CallDeadline.parse("99999999m")).contains(Duration.ofMillis(99_999_999));
        assertThat(CallDeadline.parse("5u")).contains(Duration.ofNanos(5_000));
        assertThat(CallDeadline.parse("0n")).contains(Duration.ZERO);
    }

    @Test
    void anotherFormIsNoDeadline() {
        for (String header : List.of("", "S", "5", "5s", "-5S", "123456789S", "5 S")) {
            assertThat(CallDeadline.parse(header)).as(header).isEmpty();
        }
        assertThat(CallDeadline.parse(null)).isEmpty();
    }
}
