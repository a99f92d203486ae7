package dev.nightshift;

import dev.nightshift.files.FileStore;
import dev.nightshift.files.Uploads;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jboss.logging.Logger;

/** What lies below {@code nightshift.data} from start to stop: what has expired is swept from time to time. */
@ApplicationScoped
public class DataLifecycle {
    private static final Logger LOG = Logger.getLogger("nightshift");

    private final FileStore files;
    private final Uploads uploads;
    private final FileSettings settings;
    private final ScheduledExecutorService sweeper = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().name("nightshift-sweep").daemon().factory());

    DataLifecycle(FileStore files, Uploads uploads, FileSettings settings) {
        this.files = files;
        this.uploads = uploads;
        this.settings = settings;
    }

    void start(@Observes StartupEvent started) {
        long millis = settings.sweep().toMillis();
        sweeper.scheduleWithFixedDelay(this::sweep, millis, millis, TimeUnit.MILLISECONDS);
    }

    private void sweep() {
        try {
            files.sweep();
            uploads.sweep();
        } catch (RuntimeException e) {
            // the next round tries again
            LOG.warn("Expired files could not be swept", e);
        }
    }

    void stop(@Observes ShutdownEvent stopping) {
        sweeper.shutdownNow();
    }
}
