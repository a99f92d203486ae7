package dev.nightshift;

import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.TensorOps;
import jakarta.enterprise.context.ApplicationScoped;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Locale;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;

/** What the log says at start: what runs, on what, with how much memory for which part, where. */
@ApplicationScoped
class StartLog {
    private static final Logger LOG = Logger.getLogger("nightshift");
    private static final double MIB = 1 << 20;

    private final ModelSettings settings;
    private final String version;
    private final String host;
    private final int port;

    StartLog(
            ModelSettings settings,
            @ConfigProperty(name = "quarkus.application.version") String version,
            @ConfigProperty(name = "quarkus.http.host") String host,
            @ConfigProperty(name = "quarkus.http.port") int port) {
        this.settings = settings;
        this.version = version;
        this.host = host;
        this.port = port;
    }

    void begin() {
        LOG.infof("Nightshift %s, Java %s", version, Runtime.version());
        if (!isLoopback(host)) {
            LOG.warnf("Bound to %s without API keys: whoever reaches port %d may use the model", host, port);
        }
    }

    static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false; // the server will say so itself
        }
    }

    void ready(ResidentModel model) {
        TensorOps ops = model.ops();
        LOG.infof("Backend %s: %s", ops.name(), ops.description());
        ModelConfig config = model.checkpoint().config();
        LOG.infof(
                "Model %s: %s, %d layers, hidden %d, %d heads (%d for keys and values), vocabulary %d, context %d",
                model.id(),
                config.modelType(),
                config.layers(),
                config.hiddenSize(),
                config.heads(),
                config.kvHeads(),
                config.vocabSize(),
                model.engine().contextMax());
        model.checkpoint().notes().forEach(note -> LOG.infof("Model %s: %s", model.id(), note));
        if (ModelSource.parse(settings.model()) instanceof ModelSource.Embedded) {
            LOG.info("This is the small model inside the application, good for a first try. A larger one: "
                    + "NIGHTSHIFT_MODEL=<folder or hub id, e.g. HuggingFaceTB/SmolLM2-135M-Instruct>");
        }
        LOG.info(memory(ops));
        long millis = System.currentTimeMillis()
                - ManagementFactory.getRuntimeMXBean().getStartTime();
        LOG.infof("Ready after %.1f s: http://%s:%d/v1", millis / 1000.0, host, port);
    }

    private String memory(TensorOps ops) {
        StringBuilder line = new StringBuilder();
        line.append("Memory: budget %.0f MiB".formatted(Backends.budgetBytes(settings) / MIB));
        for (MemoryPart part : MemoryPart.values()) {
            long bytes = ops.allocatedBytes(part);
            if (bytes > 0) {
                String name = part.name().toLowerCase(Locale.ROOT).replace('_', ' ');
                line.append(", %s %.1f".formatted(name, bytes / MIB));
            }
        }
        return line.append(", free %.0f".formatted((Backends.budgetBytes(settings) - MemoryPlan.booked(ops)) / MIB))
                .toString();
    }
}
