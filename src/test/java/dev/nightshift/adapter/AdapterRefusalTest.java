package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.checkpoint.SafetensorsFile;
import dev.nightshift.checkpoint.SafetensorsWriter;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.RopeConfig;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an adapter's folder may not hold, each refused by the name of the key or tensor that is wrong. */
class AdapterRefusalTest {
    /** Shape of the golden Llama. */
    private static final ModelConfig BASE = new ModelConfig(
            "llama",
            512,
            128,
            352,
            3,
            4,
            2,
            32,
            1e-6f,
            new RopeConfig(10_000, new RopeConfig.None()),
            512,
            OptionalInt.empty(),
            0,
            false,
            false,
            false,
            false,
            false);

    private static final String Q = "base_model.model.model.layers.0.self_attn.q_proj.";

    @TempDir
    Path folder;

    @BeforeEach
    void plain() {
        AdapterScene.copy(AdapterScene.golden("plain"), folder);
    }

    private void config(String key, String value) throws IOException {
        Path file = folder.resolve("adapter_config.json");
        String json = Files.readString(file);
        String changed = json.replaceFirst(
                "\"" + key + "\": (\\{[^}]*\\}|\\[[^\\]]*\\]|[^,\\n]*)",
                "\"" + key + "\": " + value.replace("\\", "\\\\"));
        Files.writeString(
                file, changed.equals(json) ? json.replaceFirst("\\{", "{\"" + key + "\": " + value + ",") : changed);
    }

    private void tensors(Consumer<Map<String, Tensor>> change) throws IOException {
        Path file = folder.resolve("adapter_model.safetensors");
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        SafetensorsFile.map(file, Arena.ofAuto())
                .tensors()
                .forEach((name, stored) -> tensors.put(name, stored.tensor()));
        change.accept(tensors);
        Path changed = folder.resolve("changed.safetensors");
        SafetensorsWriter.write(changed, tensors, Map.of());
        Files.move(changed, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }

    private static Tensor zeros(DType dtype, long... axes) {
        Shape shape = Shape.of(axes);
        return new Tensor(Arena.ofAuto().allocate(shape.elements() * dtype.bytes(), 8), dtype, shape);
    }

    private void refused(String... words) {
        try (Arena arena = Arena.ofShared()) {
            PeftAdapter.read(folder, BASE, arena, 1 << 30);
        } catch (ServingException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
            assertThat(e.getMessage()).contains(words);
            return;
        }
        throw new AssertionError("accepted, though " + String.join(" ", words));
    }

    @Test
    void acceptsTheGoldenAsItIs() {
        assertThatCode(() -> {
                    try (Arena arena = Arena.ofShared()) {
                        PeftAdapter.read(folder, BASE, arena, 1 << 30);
                    }
                })
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "lora_bias | true",
                "alora_invocation_tokens | [1, 2]",
                "fan_in_fan_out | true",
                "bias | \"all\"",
                "layer_replication | [[0, 2]]",
                "trainable_token_indices | [5]",
                "target_parameters | [\"w\"]",
                "exclude_modules | [\"q_proj\"]",
                "use_bdlora | true",
                "use_qalora | true",
                "megatron_config | {\"a\": 1}",
                "peft_type | \"IA3\"",
                "r | 0",
                "r | 257",
                "r | 8.5",
                "lora_alpha | \"many\"",
                "target_modules | \"([\"",
                "rank_pattern | {\"q_proj\": 300}",
                "alpha_pattern | {\"(\": 3}",
                "init_lora_weights | \"pissa_niter_4\"",
                "modules_to_save | [\"classifier\"]",
                "modules_to_save | [\"lm_head\"]",
                "layers_to_transform | \"first\"",
                "layers_pattern | \"blocks\"",
            })
    void refusesKeysThatWouldChangeTheResult(String key, String value) throws IOException {
        config(key, value);
        refused(key);
    }

    @Test
    void refusesAModuleThatTheBaseLacks() throws IOException {
        config("target_modules", "\".*\"");
        tensors(all ->
                all.put("base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight", zeros(DType.F32, 8, 128)));
        refused("model.layers.7.self_attn.q_proj", "lacks");
    }

    @Test
    void refusesTargetsThatMatchNoModule() throws IOException {
        config("target_modules", "[\"Wqkv\"]");
        refused("target_modules");
        tensors(Map::clear);
        refused("no module");
    }

    @Test
    void refusesTensorsThatTargetModulesDoNotName() throws IOException {
        config("target_modules", "[\"k_proj\",\"v_proj\",\"o_proj\",\"gate_proj\",\"up_proj\",\"down_proj\"]");
        refused("target_modules", "q_proj");
    }

    @Test
    void refusesAModuleWhoseFactorsAreMissing() throws IOException {
        tensors(all -> all.remove(Q + "lora_B.weight"));
        refused("model.layers.0.self_attn.q_proj", "lora_B");
        tensors(all -> all.remove(Q + "lora_A.weight"));
        refused("model.layers.0.self_attn.q_proj");
    }

    @Test
    void refusesShapesThatDoNotFit() throws IOException {
        tensors(all -> all.put(Q + "lora_A.weight", zeros(DType.F32, 8, 127)));
        refused(Q + "lora_A.weight", "[8, 127]", "[8, 128]");
    }

    @Test
    void refusesARankOtherThanTheConfigurations() throws IOException {
        config("r", "4");
        refused("lora_A.weight", "[8, 128]");
    }

    @Test
    void refusesNaNAndInfinity() throws IOException {
        for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
            tensors(all -> {
                Tensor a = zeros(DType.F32, 8, 128);
                a.data().setAtIndex(ValueLayout.JAVA_FLOAT, 77, value);
                all.put(Q + "lora_A.weight", a);
            });
            refused(Q + "lora_A.weight", Float.toString(value), "77");
        }
    }

    @Test
    void refusesIntegersAndMixedFactorTypes() throws IOException {
        tensors(all -> all.put(Q + "lora_A.weight", zeros(DType.I32, 8, 128)));
        refused(Q + "lora_A.weight", "I32");
        tensors(all -> all.put(Q + "lora_A.weight", zeros(DType.BF16, 8, 128)));
        refused("model.layers.0.self_attn.q_proj", "BF16", "F32");
    }

    @Test
    void refusesDoraWithoutMagnitudeAndMagnitudeWithoutDora() throws IOException {
        config("use_dora", "true");
        refused("use_dora", "lora_magnitude_vector");
        config("use_dora", "false");
        tensors(all -> all.put(Q + "lora_magnitude_vector", zeros(DType.F32, 128)));
        refused("use_dora", "lora_magnitude_vector");
    }

    @Test
    void refusesFactorsOfTheEmbeddingAndTensorsOfUnknownKind() throws IOException {
        tensors(all -> all.put("base_model.model.model.embed_tokens.lora_embedding_A", zeros(DType.F32, 8, 512)));
        refused("lora_embedding_A");
    }

    @Test
    void refusesPickledTensorsWithoutReadingThem() throws IOException {
        Files.delete(folder.resolve("adapter_model.safetensors"));
        Files.write(folder.resolve("adapter_model.bin"), new byte[] {(byte) 0x80, 2});
        refused("adapter_model.bin", "pickled");
    }

    @Test
    void refusesTruncatedAndMissingFiles() throws IOException {
        Path file = folder.resolve("adapter_model.safetensors");
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, java.util.Arrays.copyOf(whole, whole.length / 2));
        refused("adapter_model.safetensors", "truncated");
        Files.delete(file);
        refused("adapter_model.safetensors", "missing");
        Files.delete(folder.resolve("adapter_config.json"));
        refused("adapter_config.json", "missing");
    }

    @Test
    void refusesAFileThatIsLargerThanTheRoomBeforeItIsRead() {
        try (Arena arena = Arena.ofShared()) {
            PeftAdapter.read(folder, BASE, arena, 1000);
        } catch (ServingException e) {
            assertThat(e.getMessage()).contains("229,568", "1,000");
            return;
        }
        throw new AssertionError("accepted");
    }
}
