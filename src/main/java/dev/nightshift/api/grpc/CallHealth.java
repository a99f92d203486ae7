package dev.nightshift.api.grpc;

import dev.nightshift.chat.ServedChat;
import dev.nightshift.proto.v1.ChatServiceGrpc;
import dev.nightshift.proto.v1.ModelServiceGrpc;
import grpc.health.v1.HealthOuterClass.HealthCheckResponse.ServingStatus;
import io.quarkus.grpc.runtime.health.GrpcHealthStorage;
import io.quarkus.runtime.StartupEvent;
import io.quarkus.scheduler.Scheduled;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.util.List;

/** Keeps {@code grpc.health.v1} at what {@code /health/ready} says: not serving while the model loads or the server drains. */
@ApplicationScoped
public class CallHealth {
    private static final List<String> SERVICES = List.of(
            GrpcHealthStorage.DEFAULT_SERVICE_NAME, ChatServiceGrpc.SERVICE_NAME, ModelServiceGrpc.SERVICE_NAME);

    private final ServedChat served;
    private final GrpcHealthStorage storage;

    CallHealth(ServedChat served, GrpcHealthStorage storage) {
        this.served = served;
        this.storage = storage;
    }

    void started(@Observes StartupEvent event) {
        update();
    }

    /** Tells changes only, so that a watching client is not woken in vain. */
    @Scheduled(every = "1s")
    void update() {
        ServingStatus now = served.notReady().isEmpty() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
        for (String service : SERVICES) {
            if (storage.getStatuses().get(service) != now) {
                storage.setStatus(service, now);
            }
        }
    }
}
