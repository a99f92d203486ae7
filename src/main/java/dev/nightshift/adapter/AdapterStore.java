package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.model.ModelConfig;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/** Where an adapter's files are read from: the disk, or in tests something slower. */
@FunctionalInterface
interface AdapterStore {
    /** As {@link PeftAdapter#read(Path, ModelConfig, Arena, long)}. */
    PeftAdapter read(Path folder, ModelConfig config, Arena arena, long bytesMax);
}
