package dev.nightshift;

import io.quarkus.runtime.configuration.MemorySize;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/** Where adapters come from, and how many are on the device at a time. */
@ConfigMapping(prefix = "nightshift")
public interface AdapterSettings {

    /** The folder {@code <name>/<version>/} of adapters. */
    @WithDefault("adapters")
    String adapters();

    /** Adapters on the device at a time. */
    @WithDefault("8")
    int adapterSlots();

    /** Device memory of all slots together; absent = rank 64 on every linear for each, and one whole head. */
    Optional<MemorySize> adapterMemory();

    /** Host memory for adapters that wait beside the device; absent = four times the device's, at least 64 MB. */
    Optional<MemorySize> adapterHostMemory();

    /** Names or versions that are read at start and stay in host memory. */
    Optional<Set<String>> adapterPinned();

    /** How long a request waits for its adapter to be read; reading goes on, for those who ask again. */
    @WithDefault("60S")
    Duration adapterLoadTimeout();

    /** How often the folder is looked through where the file system does not tell of changes. */
    @WithDefault("5S")
    Duration adapterScan();
}
