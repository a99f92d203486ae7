package dev.nightshift.adapter;

import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** PEFT folders of adapters that were computed from others. */
final class ComposedFolder {
    private ComposedFolder() {}

    /** Modules stand there by their full names, as not every layer need have all of them. */
    static void write(Path folder, LoraWeights weights, String baseName, ModelConfig base) throws IOException {
        List<String> modules = weights.factors().stream()
                .map(factors -> AdapterModules.name(base, factors.target()))
                .toList();
        int rank = weights.rankMax();
        PeftFolder.write(folder, new PeftFolder.Description(baseName, rank, rank, false, 0, modules), weights, base);
    }
}
