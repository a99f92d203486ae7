package dev.nightshift;

import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.tensor.cpu.CpuKernels;
import io.quarkus.runtime.configuration.MemorySize;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.util.Optional;
import java.util.OptionalInt;

/** Which model is served, and what computes it. */
@ConfigMapping(prefix = "nightshift")
public interface ModelSettings {

    /** A folder, a hub id ({@code org/name}, {@code org/name@revision}), or {@code random:<shape>}; absent = the embedded model. */
    Optional<String> model();

    /** The base model's id in the API; absent = the folder's name, the hub id or the shape. */
    Optional<String> servedName();

    /** A template file, or {@code chatml}, {@code guanaco}, {@code alpaca}; absent = the model's own. */
    Optional<String> chatTemplate();

    /** What 16-bit linears become at load. */
    @WithDefault("nf4")
    Quantisation quantisation();

    /** Tokens of prompt and answer together; absent = the model's own maximum, or less where the memory budget is small. */
    OptionalInt maxContext();

    /** What computes. */
    @WithDefault("cpu")
    Backend backend();

    /** All the memory that models, caches and training may take; absent = the backend's default. */
    Optional<MemorySize> memoryBudget();

    /** Threads of the CPU backends; absent = all cores that the process may use. */
    OptionalInt cpuThreads();

    /** Whether the CPU backend may use machine code of its own. */
    @WithDefault("auto")
    CpuKernels cpuKernels();

    /** Where jobs, uploads and compiled kernels are kept. */
    @WithDefault("data")
    String data();

    /** Implementations of {@code TensorOps}. */
    enum Backend {
        CPU,
        ND4J
    }
}
