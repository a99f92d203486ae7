package dev.nightshift.adapter;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;

/**
 * What a registry is told by settings.
 *
 * @param root folder of the layout
 * @param base the base model's name, which no adapter may take
 * @param baseDigest what versions of ours must have been made for
 * @param hostBytes host memory for adapters beside the device
 * @param pinned names or versions ({@code name@number}) that are read at start and stay in host memory
 * @param loadTimeout how long a request waits for its adapter to be read
 * @param scanInterval how often the folder is looked through where the file system does not tell of changes
 */
public record AdapterOptions(
        Path root,
        String base,
        String baseDigest,
        long hostBytes,
        Set<String> pinned,
        Duration loadTimeout,
        Duration scanInterval) {
    public AdapterOptions {
        Objects.requireNonNull(root, "root is null");
        Objects.requireNonNull(base, "base is null");
        Objects.requireNonNull(baseDigest, "baseDigest is null");
        pinned = Set.copyOf(pinned);
        if (hostBytes < 0 || !loadTimeout.isPositive() || !scanInterval.isPositive()) {
            throw new IllegalStateException("host memory of %d bytes, loads within %s, scan every %s"
                    .formatted(hostBytes, loadTimeout, scanInterval));
        }
    }
}
