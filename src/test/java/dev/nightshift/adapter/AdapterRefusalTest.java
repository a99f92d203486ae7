package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.PeftAdapter;
import dev.nightshift.checkpoint.SafetensorsFile;
import dev.nightshift.checkpoint.SafetensorsWriter;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.RopeConfig;
import dev.nightshift.model.WeightSource;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
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

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String Q = "base_model.model.model.layers.0.self_attn.q_proj.";

    @TempDir
    Path folder;

    @BeforeEach
    void plain() {
        AdapterScene.copy(AdapterScene.golden("plain"), folder);
    }

    private void config(String key, String value) throws IOException {
        Path file = folder.resolve("adapter_config.json");
        ObjectNode json = (ObjectNode) JSON.readTree(file.toFile());
        json.set(key, JSON.readTree(value));
        JSON.writeValue(file.toFile(), json);
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
                "arrow_config | {\"top_k\": 2}",
                "kasa_config | {\"beta\": 1}",
                "monteclora_config | {\"a\": 1}",
                "velora_config | {\"a\": 1}",
                "ensure_weight_tying | true",
                "use_dora | \"yes\"",
                "use_rslora | 1",
                "lora_alpha | 1e300",
                "alpha_pattern | {\"q_proj\": \"16\"}",
                "layers_to_transform | [0.5]",
                "layers_pattern | [\"blocks\"]",
                "use_something_new | true",
                "something_config | {\"a\": 1}",
                "init_lora_weights | \"pissa_niter_4\"",
                "init_lora_weights | \"olora\"",
                "init_lora_weights | \"corda\"",
                "init_lora_weights | \"loftq\"",
                "init_lora_weights | \"lora_ga\"",
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
    @Timeout(60)
    void refusesExpressionsThatWouldHoldAThread() throws IOException {
        config("target_modules", "\"" + ".*".repeat(20) + "!\"");
        refused("target_modules", "steps");
        config("target_modules", "\"" + "a".repeat(5000) + "\"");
        refused("target_modules", "5000", "4096");
        config("target_modules", "\"" + "(".repeat(2048) + ")".repeat(2048) + "\"");
        refused("target_modules");
        config("target_modules", "\"all-linear\"");
        config("rank_pattern", "{\"" + ".*".repeat(20) + "!\": 4}");
        refused("rank_pattern", "steps");
        config("rank_pattern", "{\"a)|(b\": 8}");
        refused("rank_pattern", "a)|(b");
    }

    @Test
    void acceptsKeysThatSayNothing() throws IOException {
        for (String key : List.of("exclude_modules", "layer_replication", "some_future_config")) {
            for (String nothing : List.of("null", "[]", "{}", "false")) {
                config(key, nothing);
                acceptsTheGoldenAsItIs();
            }
        }
    }

    @Test
    void acceptsFullNamesOutsideLayersToTransformAsPeftDoes() throws IOException {
        config("layers_to_transform", "[2]");
        config("target_modules", "[\"model.layers.0.self_attn.q_proj\",\"down_proj\"]");
        tensors(all -> all.keySet()
                .removeIf(
                        key -> !key.contains("layers.0.self_attn.q_proj") && !key.contains("layers.2.mlp.down_proj")));
        acceptsTheGoldenAsItIs();
    }

    @Test
    void refusesAnotherHeadBesideItsFactors() throws IOException {
        Path golden = Path.of("src/test/golden/adapters/mistral_head");
        AdapterScene.copy(golden, folder);
        try (Checkpoint mistral = Checkpoint.open(
                        new ModelSource.Folder(GoldenTensors.shared("golden", "models", "mistral", "bnb-4bit")),
                        LoadOptions.defaults(),
                        LoadProgress.SILENT);
                Arena arena = Arena.ofShared()) {
            WeightSource base = mistral.weights();
            PeftAdapter.read(folder, base.config(), arena, 1 << 30).checkBaseCopies(base);
            String copy = "base_model.model.lm_head.base_layer.weight";
            tensors(all -> {
                Tensor changed = zeros(DType.BF16, 512, 128);
                changed.data().copyFrom(all.get(copy).data());
                changed.data().setAtIndex(ValueLayout.JAVA_SHORT, 300 * 128 + 5, (short) 0x4000);
                all.put(copy, changed);
            });
            assertThatThrownBy(() -> PeftAdapter.read(folder, base.config(), arena, 1 << 30)
                            .checkBaseCopies(base))
                    .isInstanceOf(ServingException.class)
                    .hasMessageContaining(copy)
                    .hasMessageContaining("[300, 5]");
        }
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
    void refusesTensorsOfLayersThatAreNotTransformed() throws IOException {
        config("layers_to_transform", "[0, 2]");
        refused("layers_to_transform", "model.layers.1.");
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
