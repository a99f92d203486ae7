package dev.nightshift;

import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.api.http.InFlight;
import dev.nightshift.chat.ServedChat;
import dev.nightshift.engine.EngineHealth;
import dev.nightshift.failure.ServingException;
import dev.nightshift.telemetry.ServingMeters;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.ShutdownDelayInitiatedEvent;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.jboss.logging.Logger;

/**
 * The resident model from start to stop. It loads beside the server, so that health checks have an answer meanwhile; at SIGTERM
 * the server is unready, running requests finish within their time, then the engine ends.
 */
@ApplicationScoped
public class ModelLifecycle {
    private static final Logger LOG = Logger.getLogger("nightshift");
    /** Open streams write their error event before the process ends. */
    private static final Duration LAST_WORDS = Duration.ofSeconds(2);

    private static final int EXIT_LOAD_FAILED = 1;
    private static final int EXIT_DEVICE_FAILED = 70;

    private final Wiring wiring;
    private final ServedChat served;
    private final ServedAdapters adapters;
    private final InFlight inFlight;
    private final ServingMeters meters;
    private final StartLog startLog;
    private final HttpSettings http;
    private final EngineSettings engine;
    private final Tuning tuning;
    private final CompletableFuture<ResidentModel> loaded = new CompletableFuture<>();

    ModelLifecycle(
            Wiring wiring,
            ServedChat served,
            ServedAdapters adapters,
            InFlight inFlight,
            ServingMeters meters,
            StartLog startLog,
            HttpSettings http,
            EngineSettings engine,
            Tuning tuning) {
        this.wiring = wiring;
        this.tuning = tuning;
        this.served = served;
        this.adapters = adapters;
        this.inFlight = inFlight;
        this.meters = meters;
        this.startLog = startLog;
        this.http = http;
        this.engine = engine;
    }

    void start(@Observes StartupEvent started) {
        startLog.begin();
        Thread.ofPlatform().name("nightshift-load").daemon().start(this::load);
    }

    private void load() {
        try {
            ResidentModel model = wiring.load(new LoggedProgress(served), this::deviceFailed);
            EngineMeters.bind(meters, model);
            AdapterMeters.bind(meters, model);
            loaded.complete(model);
            adapters.ready(wiring.library(model));
            tuning.start();
            served.ready(model.chat(), () -> trouble(model));
            startLog.ready(model);
        } catch (ServingException e) {
            LOG.errorf("The model cannot be served: %s", e.getMessage());
            giveUp(e);
        } catch (RuntimeException | Error e) {
            LOG.error("The model cannot be served", e);
            giveUp(e);
        }
    }

    private void giveUp(Throwable cause) {
        served.failed("the model cannot be served: " + cause.getMessage());
        loaded.completeExceptionally(cause);
        Quarkus.asyncExit(EXIT_LOAD_FAILED);
    }

    /** The loaded model; waits for it. */
    ResidentModel model() {
        return loaded.join();
    }

    private Optional<String> trouble(ResidentModel model) {
        EngineHealth health = model.engine().health();
        Duration idle = health.sinceProgress();
        return idle.compareTo(engine.stuckAfter()) > 0
                ? Optional.of("no step has ended for " + idle.toSeconds() + " s")
                : Optional.empty();
    }

    /** On the engine's thread, when every sequence was told. A supervisor is to start the process anew. */
    private void deviceFailed() {
        String reason = loaded.isDone() ? loaded.join().engine().health().reason() : "it failed while it loaded";
        served.failed("the engine has failed: " + reason);
        LOG.errorf("The engine has failed, the process ends: %s", reason);
        Thread.ofVirtual().start(() -> {
            try {
                inFlight.awaitNone(LAST_WORDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            Quarkus.asyncExit(EXIT_DEVICE_FAILED);
        });
    }

    /** SIGTERM: what runs may finish; Quarkus stops the rest when this returns. */
    void drain(@Observes ShutdownDelayInitiatedEvent stopping) throws InterruptedException {
        served.drain();
        int running = inFlight.count();
        if (running > 0) {
            LOG.infof("Stopping: %d requests may finish within %s", running, http.drainTimeout());
            int left = inFlight.awaitNone(http.drainTimeout());
            LOG.infof("Stopping: %d requests are cut off", left);
        }
    }

    void stop(@Observes ShutdownEvent stopped) {
        served.drain();
        tuning.close();
        adapters.close();
        if (loaded.isDone() && !loaded.isCompletedExceptionally()) {
            loaded.join().close();
        }
    }
}
