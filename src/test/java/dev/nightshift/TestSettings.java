package dev.nightshift;

import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.util.Map;

/** Settings of the started application that all {@code @QuarkusTest} classes share: short clocks. */
public final class TestSettings implements QuarkusTestResourceLifecycleManager {

    @Override
    public Map<String, String> start() {
        return Map.of(
                "nightshift.keep-alive", "1S",
                "nightshift.slow-reader", "3S",
                "nightshift.data", "target/test-data");
    }

    @Override
    public void stop() {}
}
