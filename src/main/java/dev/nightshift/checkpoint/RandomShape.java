package dev.nightshift.checkpoint;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.RopeConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/** Shapes of known models, from their published {@code config.json}. */
public enum RandomShape {
    SMOLLM2_135M("smollm2-135m", 49152, 576, 1536, 30, 9, 3, 100_000, 8192, true),
    LLAMA_2_7B("llama-2-7b", 32000, 4096, 11008, 32, 32, 32, 10_000, 4096, false),
    LLAMA_3_8B("llama-3-8b", 128256, 4096, 14336, 32, 32, 8, 500_000, 8192, false),
    LLAMA_2_13B("llama-2-13b", 32000, 5120, 13824, 40, 40, 40, 10_000, 4096, false),
    LLAMA_30B("llama-30b", 32000, 6656, 17920, 60, 52, 52, 10_000, 2048, false),
    LLAMA_65B("llama-65b", 32000, 8192, 22016, 80, 64, 64, 10_000, 2048, false),
    LLAMA_3_70B("llama-3-70b", 128256, 8192, 28672, 80, 64, 8, 500_000, 8192, false);

    private final String id;
    private final ModelConfig config;

    RandomShape(
            String id,
            int vocabSize,
            int hidden,
            int inner,
            int layers,
            int heads,
            int kvHeads,
            double theta,
            int maxPositions,
            boolean tied) {
        this.id = id;
        this.config = new ModelConfig(
                "llama",
                vocabSize,
                hidden,
                inner,
                layers,
                heads,
                kvHeads,
                hidden / heads,
                1e-5f,
                new RopeConfig(theta, new RopeConfig.None()),
                maxPositions,
                OptionalInt.empty(),
                0,
                false,
                false,
                false,
                false,
                tied);
    }

    /** As in {@code random:<shape>}. */
    public String id() {
        return id;
    }

    public ModelConfig config() {
        return config;
    }

    static RandomShape named(String id) {
        List<String> known = new ArrayList<>();
        for (RandomShape shape : values()) {
            if (shape.id.equals(id)) {
                return shape;
            }
            known.add(shape.id);
        }
        throw new ServingException(
                ErrorCode.INVALID_REQUEST,
                "random shape '%s' is unknown; known are %s".formatted(id, String.join(", ", known)));
    }
}
