package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import dev.nightshift.tuning.TuningMode;
import dev.nightshift.tuning.TuningRules;
import io.quarkus.runtime.configuration.DurationConverter;
import io.quarkus.runtime.configuration.MemorySize;
import io.quarkus.runtime.configuration.MemorySizeConverter;
import io.smallrye.config.EnvConfigSource;
import io.smallrye.config.SmallRyeConfig;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** From the environment to the rules that training goes by. */
class TuningSettingsTest {
    private static final Map<String, String> NIGHTS = Map.of(
            "NIGHTSHIFT_TUNING_MODE", "window",
            "NIGHTSHIFT_TUNING_SHARE", "0.35",
            "NIGHTSHIFT_TUNING_QUIET", "5S",
            "NIGHTSHIFT_TUNING_WINDOWS_0__START", "0 22 * * *",
            "NIGHTSHIFT_TUNING_WINDOWS_0__DURATION", "8H",
            "NIGHTSHIFT_TUNING_WINDOWS_0__ZONE", "Europe/Berlin",
            "NIGHTSHIFT_TUNING_WINDOWS_1__START", "0 12 * * 6",
            "NIGHTSHIFT_TUNING_WINDOWS_1__DURATION", "30M",
            "NIGHTSHIFT_TUNING_WINDOWS_1__ZONE", "America/New_York");

    private static TuningRules rules(Map<String, String> environment) {
        SmallRyeConfig config = new SmallRyeConfigBuilder()
                .withMapping(ModelSettings.class)
                .withMapping(TuningSettings.class)
                .withConverter(MemorySize.class, 200, new MemorySizeConverter())
                .withConverter(Duration.class, 200, new DurationConverter())
                .withSources(new EnvConfigSource(environment, 300))
                .build();
        return Tuning.rules(
                config.getConfigMapping(TuningSettings.class), config.getConfigMapping(ModelSettings.class));
    }

    @Test
    void defaultsAreThoseOfTheDocument() {
        TuningRules rules = rules(Map.of());
        assertThat(rules.mode()).isEqualTo(TuningMode.IDLE);
        assertThat(rules.windows()).isEmpty();
        assertThat(rules.quiet()).isEqualTo(Duration.ofSeconds(1));
        assertThat(rules.share()).isEqualTo(0.2);
        assertThat(rules.slice()).isEqualTo(Duration.ofMillis(200));
    }

    @Test
    void windowsBeginInTheirZonesTime() {
        TuningRules rules = rules(NIGHTS);
        assertThat(rules.mode()).isEqualTo(TuningMode.WINDOW);
        assertThat(rules.share()).isEqualTo(0.35);
        assertThat(rules.quiet()).isEqualTo(Duration.ofSeconds(5));
        assertThat(rules.windows()).hasSize(2);
        // a Saturday in January: 22:00 in Berlin is 21:00 UTC, noon in New York is 17:00 UTC
        for (String inside : new String[] {"2026-01-17T21:00:00Z", "2026-01-18T04:59:59Z", "2026-01-17T17:29:59Z"}) {
            assertThat(rules.grant(Instant.parse(inside), TuningRules.Load.BUSY))
                    .as(inside)
                    .isEqualTo(TuningRules.Grant.SHARE);
        }
        for (String outside : new String[] {"2026-01-17T20:59:59Z", "2026-01-18T05:00:00Z", "2026-01-17T17:30:00Z"}) {
            assertThat(rules.grant(Instant.parse(outside), TuningRules.Load.IDLE))
                    .as(outside)
                    .isEqualTo(TuningRules.Grant.NONE);
        }
    }

    @Test
    void whatIsNoZoneOrNoStartIsNamed() {
        Map<String, String> nowhere = new HashMap<>(NIGHTS);
        nowhere.put("NIGHTSHIFT_TUNING_WINDOWS_1__ZONE", "Europe/Nowhere");
        assertThatThrownBy(() -> rules(nowhere))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("nightshift.tuning.windows: zone 'Europe/Nowhere'");
        Map<String, String> never = new HashMap<>(NIGHTS);
        never.put("NIGHTSHIFT_TUNING_WINDOWS_0__START", "tonight");
        assertThatThrownBy(() -> rules(never))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("nightshift.tuning.windows: start 'tonight'");
    }
}
