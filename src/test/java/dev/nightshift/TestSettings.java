package dev.nightshift;

import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;

/** Settings of the started application that all {@code @QuarkusTest} classes share: short clocks. */
public final class TestSettings implements QuarkusTestResourceLifecycleManager {
    private Path data;

    @Override
    public Map<String, String> start() {
        try {
            // a fresh one, so that no run sees what another one left
            data = Files.createTempDirectory(Files.createDirectories(Path.of("target")), "test-data-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Map.of(
                "nightshift.adapters", data.resolve("adapters").toString(),
                "nightshift.keep-alive", "1S",
                "nightshift.max-requests", "250",
                "nightshift.slow-reader", "3S",
                "nightshift.data", data.toString(),
                "nightshift.adapter-upload-limit", "64M",
                "nightshift.files.file", "40M",
                "nightshift.files.part", "1M");
    }

    @Override
    public void stop() {
        // while the application closes its database, files may go as well
        try (Stream<Path> paths = Files.walk(data)) {
            paths.sorted(Comparator.reverseOrder())
                    .forEach(path -> path.toFile().delete());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
