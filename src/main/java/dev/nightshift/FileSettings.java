package dev.nightshift;

import io.quarkus.runtime.configuration.MemorySize;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;

/** Uploaded files. */
@ConfigMapping(prefix = "nightshift.files")
public interface FileSettings {

    /** Largest file sent in one request. */
    @WithDefault("512M")
    MemorySize file();

    /** Largest file of purpose batch. */
    @WithDefault("200M")
    MemorySize batch();

    /** Largest part of an upload. */
    @WithDefault("64M")
    MemorySize part();

    /** Largest upload, all parts together. */
    @WithDefault("8G")
    MemorySize upload();

    /** Parts of an upload. */
    @WithDefault("10000")
    int parts();

    /** How long an upload may take before it expires. */
    @WithDefault("1H")
    Duration uploadLife();

    /** How often expired files and uploads are looked for. */
    @WithDefault("1M")
    Duration sweep();
}
