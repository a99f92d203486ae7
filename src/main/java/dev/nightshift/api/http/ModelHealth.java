package dev.nightshift.api.http;

import dev.nightshift.chat.ServedChat;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Produces;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.HealthCheckResponseBuilder;
import org.eclipse.microprofile.health.Liveness;
import org.eclipse.microprofile.health.Readiness;

/** Alive unless the engine has failed for good; ready once the model answers, until the server drains. */
@ApplicationScoped
public class ModelHealth {

    @Produces
    @ApplicationScoped
    @Liveness
    HealthCheck alive(ServedChat served) {
        return () -> check("engine", served.dead().orElse(null));
    }

    @Produces
    @ApplicationScoped
    @Readiness
    HealthCheck ready(ServedChat served) {
        return () -> check("model", served.notReady().orElse(null));
    }

    private static HealthCheckResponse check(String name, String reason) {
        HealthCheckResponseBuilder check = HealthCheckResponse.named(name).status(reason == null);
        return reason == null ? check.build() : check.withData("reason", reason).build();
    }
}
