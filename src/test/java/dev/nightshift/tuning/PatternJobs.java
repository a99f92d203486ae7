package dev.nightshift.tuning;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Rows that teach a pattern to golden/models/llama, and requests for jobs on them. */
final class PatternJobs {
    private static final int SEED = 3;

    private PatternJobs() {}

    static List<String> rows(int count) {
        return rows(count, SEED);
    }

    /** Rows of one pattern, so that there is something to learn. */
    static List<String> rows(int count, int seed) {
        Random random = new Random(seed);
        List<String> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int a = 20 + random.nextInt(8);
            rows.add("5 %d %d %d|7 8 9 %d 10 2".formatted(a, a + 1, a + 2, a + 3));
        }
        return rows;
    }

    /** @param own what {@code nightshift} has beside a small adapter, or instead */
    static Map<String, Object> request(String file, Map<String, Object> own) {
        Map<String, Object> nightshift = new HashMap<>(
                Map.of("lora", Map.of("r", 4, "alpha", 8), "learning_rate", 0.01, "max_sequence_length", 64));
        nightshift.putAll(own);
        return new HashMap<>(Map.of(
                "model",
                "llama",
                "training_file",
                file,
                "suffix",
                "pattern",
                "seed",
                11,
                "hyperparameters",
                Map.of("n_epochs", 4, "batch_size", 4),
                "nightshift",
                nightshift));
    }
}
