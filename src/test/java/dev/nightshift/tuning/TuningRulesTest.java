package dev.nightshift.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TuningRulesTest {
    private static final ZoneId BERLIN = ZoneId.of("Europe/Berlin");
    private static final TuningWindow NIGHT = TuningWindow.of("0 22 * * *", Duration.ofHours(8), BERLIN);
    private static final Instant NOON = Instant.parse("2026-01-15T11:00:00Z");
    private static final Instant MIDNIGHT = Instant.parse("2026-01-14T23:00:00Z");

    /** Mode x window x load, every cell; the same table stands in docs/tuning.md. */
    @ParameterizedTest
    @CsvSource({
        "OFF,none,IDLE,NONE",
        "OFF,none,COOLING,NONE",
        "OFF,none,BUSY,NONE",
        "OFF,inside,IDLE,NONE",
        "OFF,inside,COOLING,NONE",
        "OFF,inside,BUSY,NONE",
        "OFF,outside,IDLE,NONE",
        "OFF,outside,COOLING,NONE",
        "OFF,outside,BUSY,NONE",
        "IDLE,none,IDLE,FULL",
        "IDLE,none,COOLING,NONE",
        "IDLE,none,BUSY,NONE",
        "IDLE,inside,IDLE,FULL",
        "IDLE,inside,COOLING,NONE",
        "IDLE,inside,BUSY,NONE",
        "IDLE,outside,IDLE,NONE",
        "IDLE,outside,COOLING,NONE",
        "IDLE,outside,BUSY,NONE",
        "WINDOW,none,IDLE,NONE",
        "WINDOW,none,COOLING,NONE",
        "WINDOW,none,BUSY,NONE",
        "WINDOW,inside,IDLE,FULL",
        "WINDOW,inside,COOLING,FULL",
        "WINDOW,inside,BUSY,SHARE",
        "WINDOW,outside,IDLE,NONE",
        "WINDOW,outside,COOLING,NONE",
        "WINDOW,outside,BUSY,NONE",
        "ALWAYS,none,IDLE,FULL",
        "ALWAYS,none,COOLING,FULL",
        "ALWAYS,none,BUSY,SHARE",
        "ALWAYS,inside,IDLE,FULL",
        "ALWAYS,inside,COOLING,FULL",
        "ALWAYS,inside,BUSY,SHARE",
        "ALWAYS,outside,IDLE,FULL",
        "ALWAYS,outside,COOLING,FULL",
        "ALWAYS,outside,BUSY,SHARE",
    })
    void grantsByModeWindowAndLoad(TuningMode mode, String window, TuningRules.Load load, TuningRules.Grant expected) {
        List<TuningWindow> windows = window.equals("none") ? List.of() : List.of(NIGHT);
        Instant now = window.equals("inside") ? MIDNIGHT : NOON;
        assertThat(rules(mode, windows, 0.3).grant(now, load)).isEqualTo(expected);
    }

    @Test
    void grantsNothingBesideChatWithoutAShare() {
        TuningRules rules = rules(TuningMode.ALWAYS, List.of(), 0);
        assertThat(rules.grant(NOON, TuningRules.Load.BUSY)).isEqualTo(TuningRules.Grant.NONE);
    }

    @Test
    void windowHoldsFromItsStartToJustBeforeItsEndAcrossMidnight() {
        Instant start = Instant.parse("2026-01-14T21:00:00Z");
        assertThat(NIGHT.contains(start.minusMillis(1))).isFalse();
        assertThat(NIGHT.contains(start)).isTrue();
        assertThat(NIGHT.contains(start.plus(Duration.ofHours(8)).minusMillis(1)))
                .isTrue();
        assertThat(NIGHT.contains(start.plus(Duration.ofHours(8)))).isFalse();
        assertThat(NIGHT.nextStart(NOON)).contains(Instant.parse("2026-01-15T21:00:00Z"));
    }

    @Test
    void windowFollowsItsZonesClockThroughSummerTime() {
        // clocks in Berlin went forward in the night to 29 March 2026: 22:00 is 20:00 UTC afterwards
        assertThat(NIGHT.contains(Instant.parse("2026-03-29T20:30:00Z"))).isTrue();
        assertThat(NIGHT.contains(Instant.parse("2026-03-29T19:30:00Z"))).isFalse();
        // the night of the change itself: eight hours from 22:00 on
        assertThat(NIGHT.contains(Instant.parse("2026-03-29T04:59:00Z"))).isTrue();
        assertThat(NIGHT.contains(Instant.parse("2026-03-29T05:01:00Z"))).isFalse();
    }

    @Test
    void aWindowLastsItsTimeInTheNightThatHasAnHourTwice() {
        // clocks in Berlin go back from 3:00 to 2:00 in the night to 25 October 2026: 22:00 is 20:00 UTC, 5:00 is 4:00
        // UTC
        assertThat(NIGHT.contains(Instant.parse("2026-10-24T19:59:59Z"))).isFalse();
        assertThat(NIGHT.contains(Instant.parse("2026-10-24T20:00:00Z"))).isTrue();
        assertThat(NIGHT.contains(Instant.parse("2026-10-25T03:59:59Z"))).isTrue();
        assertThat(NIGHT.contains(Instant.parse("2026-10-25T04:00:00Z"))).isFalse();
        assertThat(NIGHT.nextStart(Instant.parse("2026-10-25T04:00:00Z")))
                .contains(Instant.parse("2026-10-25T21:00:00Z"));
    }

    @Test
    void oneOfSeveralWindowsIsEnough() {
        TuningWindow weekend = TuningWindow.of("0 0 * * 6", Duration.ofDays(2), BERLIN);
        TuningRules rules = rules(TuningMode.WINDOW, List.of(NIGHT, weekend), 0.3);
        Instant saturdayNoon = Instant.parse("2026-01-17T11:00:00Z");
        assertThat(rules.grant(saturdayNoon, TuningRules.Load.IDLE)).isEqualTo(TuningRules.Grant.FULL);
    }

    @Test
    void refusesACronThatIsNone() {
        assertThatThrownBy(() -> TuningWindow.of("25 o'clock", Duration.ofHours(1), BERLIN))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("25 o'clock");
    }

    @Test
    void shareOfASecondIsNotExceededAndDebtIsPaidBack() {
        TimeShare share = new TimeShare(0.25, 0);
        long ms = 1_000_000;
        assertThat(share.left(0)).isEqualTo(Duration.ofMillis(250));
        share.spent(Duration.ofMillis(400));
        assertThat(share.left(100 * ms)).isEqualTo(Duration.ZERO);
        assertThat(share.left(600 * ms)).isEqualTo(Duration.ZERO);
        assertThat(share.left(1000 * ms).toMillis()).isEqualTo(100);
        assertThat(share.left(3_600_000 * ms)).isEqualTo(Duration.ofMillis(250));
    }

    private static TuningRules rules(TuningMode mode, List<TuningWindow> windows, double share) {
        return new TuningRules(mode, windows, Duration.ofSeconds(1), share, Duration.ofMillis(200));
    }
}
