package dev.nightshift.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.GoldenTensors;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Logits of the five golden families on every backend. */
public class GoldenLogitsTest {
    /** Norm of the difference over the norm: what float32 in another order of summation costs stays far below. */
    private static final double RELATIVE = 1e-4;

    private static final BatchLimits LIMITS = new BatchLimits(80, 1, 80, 8);

    @ParameterizedTest
    @CsvSource({
        "nd4j, llama, bnb-4bit",
        "nd4j, llama, bf16",
        "nd4j, llama_tied, bnb-4bit",
        "nd4j, mistral, bnb-4bit",
        "nd4j, qwen2, bnb-4bit",
        "nd4j, qwen3, bnb-4bit",
        "cpu, llama, bnb-4bit",
        "cpu, llama, bf16",
        "cpu, llama_tied, bnb-4bit",
        "cpu, llama_tied, bf16",
        "cpu, mistral, bnb-4bit",
        "cpu, mistral, bf16",
        "cpu, qwen2, bnb-4bit",
        "cpu, qwen2, bf16",
        "cpu, qwen3, bnb-4bit",
        "cpu, qwen3, bf16",
    })
    void logitsAreThoseOfTransformers(String backend, String family, String form) {
        Path folder = GoldenTensors.shared("golden", "models", family);
        GoldenTensors golden = GoldenTensors.open(folder.resolve("io.safetensors"));
        try (OpenModel model = OpenModel.openFamily(backend, folder.resolve(form), LIMITS, 8)) {
            float[] logits = model.logits(golden.ints("input_ids"));
            double error = relativeError(logits, golden.floats("logits_nf4"));
            System.err.printf("%s %s %s: relative error %.2e%n", backend, family, form, error);
            assertThat(error).isLessThan(RELATIVE);
        }
    }

    public static double relativeError(float[] ours, float[] golden) {
        assertThat(ours).hasSameSizeAs(golden);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < ours.length; i++) {
            double d = (double) ours[i] - golden[i];
            difference += d * d;
            norm += (double) golden[i] * golden[i];
        }
        return Math.sqrt(difference / norm);
    }
}
