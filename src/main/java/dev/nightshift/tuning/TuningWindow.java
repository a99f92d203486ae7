package dev.nightshift.tuning;

import com.cronutils.model.Cron;
import com.cronutils.model.CronType;
import com.cronutils.model.definition.CronDefinitionBuilder;
import com.cronutils.model.time.ExecutionTime;
import com.cronutils.parser.CronParser;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.Objects;
import java.util.Optional;

/**
 * A span of time that comes again and again: it begins when its cron expression fires and lasts a fixed while.
 *
 * @param start when it begins, in its zone's time; a time that a clock change leaves out begins at the change
 */
public record TuningWindow(ExecutionTime start, Duration duration, ZoneId zone) {
    private static final CronParser CRON = new CronParser(CronDefinitionBuilder.instanceDefinitionFor(CronType.UNIX));

    public TuningWindow {
        Objects.requireNonNull(start, "start is null");
        Objects.requireNonNull(zone, "zone is null");
        if (!duration.isPositive()) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "nightshift.tuning.windows: duration %s is not positive".formatted(duration));
        }
    }

    /** @param cron minute, hour, day of month, month, day of week, as crontab has them */
    public static TuningWindow of(String cron, Duration duration, ZoneId zone) {
        try {
            Cron parsed = CRON.parse(cron).validate();
            return new TuningWindow(ExecutionTime.forCron(parsed), duration, zone);
        } catch (IllegalArgumentException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "nightshift.tuning.windows: start '%s': %s".formatted(cron, e.getMessage()),
                    e);
        }
    }

    /** The zone of a name, or the server's. */
    public static ZoneId zone(Optional<String> name) {
        try {
            return name.map(ZoneId::of).orElseGet(ZoneId::systemDefault);
        } catch (DateTimeException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "nightshift.tuning.windows: zone '%s': %s".formatted(name.orElseThrow(), e.getMessage()),
                    e);
        }
    }

    /** Whether {@code now} lies in it; its last instant does not. */
    public boolean contains(Instant now) {
        // an execution at this very instant is not "last" to the library
        ZonedDateTime justAfter = now.plusMillis(1).atZone(zone);
        return start.lastExecution(justAfter)
                .map(begun -> begun.toInstant().plus(duration).isAfter(now))
                .orElse(false);
    }

    /** When it begins next, if ever. */
    public Optional<Instant> nextStart(Instant now) {
        return start.nextExecution(now.atZone(zone)).map(ZonedDateTime::toInstant);
    }
}
