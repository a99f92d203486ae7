package dev.nightshift.api.http;

import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The embedded model's weights as they were before they became 4-bit, and served so. */
public final class SixteenBitModel implements QuarkusTestResourceLifecycleManager {
    static final String NAME = "nightshift-tiny-bf16";
    static final Path FOLDER = Path.of("..", "shared", "models", NAME);

    /** Without the folder the embedded model is served, and the tests are skipped. */
    @Override
    public Map<String, String> start() {
        return Files.exists(FOLDER)
                ? Map.of("nightshift.model", FOLDER.toString(), "nightshift.quantisation", "none")
                : Map.of();
    }

    @Override
    public void stop() {}
}
