package dev.nightshift;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;

/** Where adapters come from, and how many are on the device at a time. */
@ConfigMapping(prefix = "nightshift")
public interface AdapterSettings {

    /** The folder {@code <name>/<version>/} of adapters. */
    @WithDefault("adapters")
    String adapters();

    /** Adapters on the device at a time. */
    @WithDefault("8")
    int adapterSlots();
}
