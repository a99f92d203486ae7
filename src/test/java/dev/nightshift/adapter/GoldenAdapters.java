package dev.nightshift.adapter;

import dev.nightshift.checkpoint.GoldenTensors;
import java.nio.file.Path;

/** The golden PEFT folders and their base; a test without them is skipped. */
public final class GoldenAdapters {
    private GoldenAdapters() {}

    /** The 4-bit base model that all were made on. */
    public static Path base() {
        return GoldenTensors.shared("golden", "models", "llama").resolve("bnb-4bit");
    }

    /** A folder with its logits in {@code io.safetensors}. */
    public static Path folder(String name) {
        return GoldenTensors.shared("golden", "adapters", name);
    }
}
