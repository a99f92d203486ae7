package dev.nightshift;

import dev.nightshift.tuning.TuningMode;
import io.quarkus.runtime.configuration.MemorySize;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** When and with how much memory fine-tuning jobs run; docs/tuning.md. */
@ConfigMapping(prefix = "nightshift.tuning")
public interface TuningSettings {

    /** When training may use the device. */
    @WithDefault("idle")
    TuningMode mode();

    /** Spans of time for training; none = any time, but never in mode {@code window}. */
    List<Window> windows();

    /** How long no request must have run before chat counts as idle. */
    @WithDefault("1S")
    Duration quiet();

    /** Share of each second, 0 to 1, for training while chat is busy, in modes {@code window} and {@code always}. */
    @WithDefault("0.2")
    double share();

    /** The longest that a chat request waits for training; absent = 200 ms on the CPU, 20 ms on CUDA. */
    Optional<Duration> slice();

    /** Memory that training borrows from the key-value cache at most; absent = half of the cache. */
    Optional<MemorySize> memory();

    /** How much work a crash may cost at most; checkpoints are kept beside that. */
    @WithDefault("1M")
    Duration saveEvery();

    /** A span of time that comes again and again. */
    interface Window {
        /** When it begins: minute, hour, day of month, month, day of week, as in crontab. */
        String start();

        /** How long it lasts. */
        Duration duration();

        /** Time zone of {@link #start}; absent = the server's. */
        Optional<String> zone();
    }
}
