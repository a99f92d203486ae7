package dev.nightshift.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.nightshift.checkpoint.GoldenTensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RopeTableTest {
    private static final Path GOLDEN = Path.of("src/test/golden/rope");
    private static final int HEAD_DIM = 32;
    /** A float's power may differ by its last bits between mathematical libraries; the angle carries that up to position 160. */
    private static final float FREQUENCY_RELATIVE = 5e-7f;

    private static final float COSINE_ABSOLUTE = 5e-5f;

    record Case(String name, int length, double attentionFactor, RopeConfig config) {
        @Override
        public String toString() {
            return name;
        }
    }

    static List<Case> cases() throws IOException {
        JsonNode meta = new ObjectMapper().readTree(GOLDEN.resolve("meta.json").toFile());
        List<Case> cases = new ArrayList<>();
        for (JsonNode node : meta.get("cases")) {
            double factor = node.get("attention_factor").doubleValue();
            JsonNode config = node.get("config_new");
            cases.add(new Case(
                    node.get("name").textValue(),
                    node.get("length").intValue(),
                    factor,
                    config(
                            config.get("rope_parameters"),
                            config.get("max_position_embeddings").intValue(),
                            factor)));
        }
        return cases;
    }

    private static RopeConfig config(JsonNode rope, int maxPositions, double attentionFactor) {
        double factor = rope.path("factor").asDouble();
        int original = rope.path("original_max_position_embeddings").asInt(maxPositions);
        RopeConfig.Scaling scaling = switch (rope.get("rope_type").textValue()) {
            case "default" -> new RopeConfig.None();
            case "linear" -> new RopeConfig.Linear(factor);
            case "dynamic" -> new RopeConfig.Dynamic(factor, maxPositions);
            case "llama3" ->
                new RopeConfig.Llama3(
                        factor,
                        rope.get("low_freq_factor").asDouble(),
                        rope.get("high_freq_factor").asDouble(),
                        original);
            case "yarn" ->
                new RopeConfig.Yarn(
                        factor,
                        original,
                        rope.path("beta_fast").asDouble(32),
                        rope.path("beta_slow").asDouble(1),
                        attentionFactor,
                        rope.path("truncate").asBoolean(true));
            default -> throw new IllegalStateException(rope.toString());
        };
        return new RopeConfig(rope.get("rope_theta").doubleValue(), scaling);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void tablesAreThoseOfTransformers(Case golden) {
        GoldenTensors tensors = GoldenTensors.open(GOLDEN.resolve("rope.safetensors"));
        RopeTable table = new RopeTable(golden.config(), HEAD_DIM);
        float[] inverse = tensors.floats(golden.name() + ".inv_freq");
        float[] ours = table.frequencies(golden.length());
        for (int i = 0; i < inverse.length; i++) {
            assertThat(Math.abs(ours[i] - inverse[i]) / inverse[i])
                    .as("frequency %d: %s, expected %s", i, ours[i], inverse[i])
                    .isLessThanOrEqualTo(FREQUENCY_RELATIVE);
        }
        assertThat(table.attentionFactor()).isEqualTo((float) golden.attentionFactor());

        float[] cos = tensors.floats(golden.name() + ".cos");
        float[] sin = tensors.floats(golden.name() + ".sin");
        int half = HEAD_DIM / 2;
        float[] row = new float[HEAD_DIM];
        MemorySegment target = MemorySegment.ofArray(row);
        float worst = 0;
        for (int p = 0; p < golden.length(); p++) {
            table.write(target, 0, p, golden.length());
            for (int i = 0; i < half; i++) {
                worst = Math.max(worst, Math.abs(row[i] - cos[p * half + i]));
                worst = Math.max(worst, Math.abs(row[half + i] - sin[p * half + i]));
            }
        }
        assertThat(worst).isLessThanOrEqualTo(COSINE_ABSOLUTE);
    }

    @Test
    void aRowOfDynamicNtkDependsOnPromptAndPositionOnly() {
        RopeTable table = new RopeTable(new RopeConfig(10_000, new RopeConfig.Dynamic(2, 64)), HEAD_DIM);
        assertThat(row(table, 10, 40)).isEqualTo(row(table, 10, 64));
        assertThat(row(table, 10, 100)).isNotEqualTo(row(table, 10, 64));
        // A prompt's rows share the prompt's length; a new token's row has its own.
        assertThat(row(table, 70, 100)).isEqualTo(row(table, 70, 100));
        assertThat(row(table, 120, 100)).isEqualTo(row(table, 120, 121)).isNotEqualTo(row(table, 120, 122));
        assertThat(table.sharesPrefix(64)).isTrue();
        assertThat(table.sharesPrefix(65)).isFalse();
        assertThat(new RopeTable(new RopeConfig(10_000, new RopeConfig.None()), HEAD_DIM).sharesPrefix(65))
                .isTrue();
    }

    @Test
    void wholeTextsAreFilledAsRows() {
        RopeTable table = new RopeTable(new RopeConfig(10_000, new RopeConfig.Dynamic(2, 64)), HEAD_DIM);
        float[] filled = new float[5 + 3 * HEAD_DIM];
        table.fill(new int[] {0, 7, 99}, 100, filled, 5);
        MemorySegment rows = MemorySegment.ofArray(filled).asSlice(5 * Float.BYTES);
        assertThat(rows.asSlice(2L * HEAD_DIM * Float.BYTES).toArray(ValueLayout.JAVA_FLOAT))
                .isEqualTo(row(table, 99, 100));
    }

    private static float[] row(RopeTable table, int position, int promptTokens) {
        MemorySegment target = Arena.ofAuto().allocate(HEAD_DIM * Float.BYTES, Float.BYTES);
        table.write(target, 0, position, promptTokens);
        return target.toArray(ValueLayout.JAVA_FLOAT);
    }
}
