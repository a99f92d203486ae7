package dev.nightshift;

import io.quarkus.runtime.LaunchMode;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import org.jboss.logging.Logger;
import sun.misc.Signal;

/** SIGTERM is a wish that was fulfilled: the process drains and ends with 0. The JVM's own answer would be 128 + 15. */
@ApplicationScoped
class TermSignal {
    private static final Logger LOG = Logger.getLogger("nightshift");

    void start(@Observes StartupEvent started) {
        if (LaunchMode.current() != LaunchMode.NORMAL) {
            return;
        }
        try {
            Signal.handle(new Signal("TERM"), signal -> Quarkus.asyncExit(0));
        } catch (IllegalArgumentException e) {
            LOG.warnf(
                    "SIGTERM is not ours to answer here (%s); the process will end with the JVM's status",
                    e.getMessage());
        }
    }
}
