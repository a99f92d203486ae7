package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.RopeConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigReaderTest {
    private static ModelConfig read(String json) {
        byte[] content = json.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        return ConfigReader.read(Json.object("config.json", content));
    }

    @Test
    void oldAndNewSpellingOfLlama31AreTheSame() {
        String shared = "'model_type': 'llama', 'vocab_size': 128256, 'hidden_size': 4096, 'intermediate_size': 14336,"
                + "'num_hidden_layers': 32, 'num_attention_heads': 32, 'num_key_value_heads': 8, 'max_position_embeddings': 131072,"
                + "'rms_norm_eps': 1e-05, 'tie_word_embeddings': false,";
        ModelConfig old = read(
                "{" + shared + "'torch_dtype': 'bfloat16', 'rope_theta': 500000.0, 'rope_scaling': {'factor': 8.0,"
                        + "'low_freq_factor': 1.0, 'high_freq_factor': 4.0, 'original_max_position_embeddings': 8192, 'rope_type': 'llama3'}}");
        ModelConfig now = read(
                "{" + shared
                        + "'dtype': 'bfloat16', 'head_dim': 128, 'rope_parameters': {'rope_theta': 500000.0, 'factor': 8.0,"
                        + "'low_freq_factor': 1.0, 'high_freq_factor': 4.0, 'original_max_position_embeddings': 8192, 'rope_type': 'llama3'}}");
        assertThat(old).isEqualTo(now);
        assertThat(now.headDim()).isEqualTo(128);
        assertThat(now.rope()).isEqualTo(new RopeConfig(500_000, new RopeConfig.Llama3(8, 1, 4, 8192)));
        assertThat(now.rmsNormEpsilon()).isEqualTo(1e-5f);
        assertThat(now.slidingWindow()).isEmpty();
    }

    @TestFactory
    List<DynamicTest> bothSpellingsGiveTheScalingThatTransformersComputes() throws IOException {
        JsonNode meta = Json.object("meta.json", Files.readAllBytes(Path.of("src/test/golden/rope/meta.json")));
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode golden : meta.get("cases")) {
            tests.add(DynamicTest.dynamicTest(golden.get("name").asText(), () -> {
                ModelConfig old = ConfigReader.read(golden.get("config_old"));
                assertThat(old).isEqualTo(ConfigReader.read(golden.get("config_new")));
                double expected = golden.get("attention_factor").asDouble();
                switch (old.rope().scaling()) {
                    case RopeConfig.Yarn yarn -> {
                        assertThat(yarn.attentionFactor()).isEqualTo(expected);
                        boolean given = golden.at("/config_old/rope_scaling").has("original_max_position_embeddings");
                        assertThat(yarn.originalPositions()).isEqualTo(given ? 64 : 256);
                    }
                    case RopeConfig.Dynamic dynamic ->
                        assertThat(dynamic.originalPositions()).isEqualTo(64);
                    case RopeConfig.Llama3 llama3 ->
                        assertThat(llama3.originalPositions()).isEqualTo(64);
                    case RopeConfig.Linear linear -> assertThat(linear.factor()).isGreaterThan(2);
                    case RopeConfig.None _ ->
                        assertThat(golden.get("name").asText()).isEqualTo("default");
                }
            }));
        }
        assertThat(tests).hasSize(14);
        return tests;
    }

    @Test
    void whatIsAbsentTakesTheDefaultOfItsFamily() {
        ModelConfig llama = read("{'model_type': 'llama'}");
        assertThat(llama.kvHeads()).isEqualTo(32);
        assertThat(llama.headDim()).isEqualTo(128);
        assertThat(llama.intermediateSize()).isEqualTo(11008);
        assertThat(llama.maxPositions()).isEqualTo(2048);
        assertThat(llama.rmsNormEpsilon()).isEqualTo(1e-6f);
        assertThat(llama.rope()).isEqualTo(new RopeConfig(10_000, new RopeConfig.None()));
        assertThat(llama.tiedEmbeddings()).isFalse();
        assertThat(read("{'model_type': 'mistral'}").kvHeads()).isEqualTo(8);
        assertThat(read("{'model_type': 'mistral', 'num_key_value_heads': null}")
                        .kvHeads())
                .isEqualTo(32);
        assertThat(read("{'model_type': 'qwen3', 'hidden_size': 1024, 'num_attention_heads': 16}")
                        .headDim())
                .isEqualTo(128);
        assertThat(
                        read("{'model_type': 'qwen2', 'hidden_size': 896, 'num_attention_heads': 14, 'num_key_value_heads': 2}")
                                .headDim())
                .isEqualTo(64);
        assertThat(read("{'model_type': 'llama', 'num_key_value_heads': 1}").kvHeads())
                .isEqualTo(1);
    }

    @Test
    void biasesAndNormsAreThoseOfTheFamily() {
        ModelConfig qwen2 = read("{'model_type': 'qwen2'}");
        assertThat(List.of(qwen2.qkvBias(), qwen2.outputBias(), qwen2.mlpBias(), qwen2.qkNorm()))
                .containsExactly(true, false, false, false);
        ModelConfig qwen3 = read("{'model_type': 'qwen3', 'attention_bias': true, 'tie_word_embeddings': true}");
        assertThat(List.of(qwen3.qkvBias(), qwen3.outputBias(), qwen3.mlpBias(), qwen3.qkNorm()))
                .containsExactly(true, true, false, true);
        assertThat(qwen3.tiedEmbeddings()).isTrue();
        ModelConfig llama = read("{'model_type': 'llama', 'attention_bias': true, 'mlp_bias': true}");
        assertThat(List.of(llama.qkvBias(), llama.outputBias(), llama.mlpBias(), llama.qkNorm()))
                .containsExactly(true, true, true, false);
        ModelConfig mistral = read("{'model_type': 'mistral', 'attention_bias': true}");
        assertThat(List.of(mistral.qkvBias(), mistral.outputBias(), mistral.mlpBias(), mistral.qkNorm()))
                .containsOnly(false);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'model_type': 'llama', 'sliding_window': 7}                                                  | 0    | 0",
                "{'model_type': 'mistral', 'sliding_window': 32}                                               | 32   | 32",
                "{'model_type': 'mistral', 'sliding_window': null}                                             | 0    | 0",
                "{'model_type': 'mistral'}                                                                     | 4096 | 4096",
                "{'model_type': 'qwen2', 'sliding_window': 32}                                                 | 0    | 0",
                "{'model_type': 'qwen2', 'use_sliding_window': true, 'sliding_window': 32}                     | 0    | 32",
                "{'model_type': 'qwen2', 'use_sliding_window': true, 'sliding_window': 32, 'max_window_layers': 0} | 32 | 32",
                "{'model_type': 'qwen2', 'use_sliding_window': true, 'sliding_window': 32, 'max_window_layers': 32} | 0 | 0",
                "{'model_type': 'qwen3', 'use_sliding_window': true, 'sliding_window': null}                   | 0    | 0",
                "{'model_type': 'qwen3', 'use_sliding_window': true, 'max_window_layers': 31}                  | 0    | 4096",
            })
    void slidingWindowsFollowTheRulesOfTheFamily(String json, int firstLayer, int lastLayer) {
        ModelConfig config = read(json);
        assertThat(config.window(0)).isEqualTo(firstLayer);
        assertThat(config.window(31)).isEqualTo(lastLayer);
    }

    @Test
    void layerTypesWinOverMaxWindowLayers() {
        String start =
                "{'model_type': 'qwen2', 'num_hidden_layers': 3, 'use_sliding_window': true, 'max_window_layers': 0, 'sliding_window': 9, 'layer_types': ";
        ModelConfig config = read(start + "['full_attention', 'full_attention', 'sliding_attention']}");
        assertThat(List.of(config.window(0), config.window(1), config.window(2)))
                .containsExactly(0, 0, 9);
        assertThat(read(start + "['full_attention', 'full_attention', 'full_attention']}")
                        .slidingWindow())
                .isEqualTo(OptionalInt.empty());
        assertThatThrownBy(() -> read(start + "['sliding_attention', 'full_attention', 'full_attention']}"))
                .hasMessageContaining("full_attention (layer 1) after sliding_attention (layer 0)");
        assertThatThrownBy(() -> read(start + "['full_attention']}")).hasMessageContaining("layer_types has 1 entries");
        assertThatThrownBy(() -> read(start + "['chunked_attention', 'full_attention', 'full_attention']}"))
                .hasMessageContaining("layer type 'chunked_attention' is not supported");
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "gemma2", "phi3", "mixtral", "llama4", ""})
    void otherFamiliesAreRefusedByNameWithTheList(String modelType) {
        assertThatThrownBy(() -> read("{'model_type': '%s'}".formatted(modelType)))
                .isInstanceOf(ServingException.class)
                .hasMessage("config.json: model_type '%s' is not supported; supported are llama, mistral, qwen2, qwen3"
                        .formatted(modelType));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'model_type': 'llama', 'hidden_act': 'gelu'}                                     | hidden_act 'gelu' is not supported",
                "{'model_type': 'llama', 'hidden_size': 0}                                         | hidden_size is 0, a positive integer expected",
                "{'model_type': 'llama', 'hidden_size': '64'}                                      | hidden_size is \"64\", a positive integer expected",
                "{'model_type': 'llama', 'num_key_value_heads': 5}                                 | num_attention_heads 32 is no multiple of num_key_value_heads 5",
                "{'model_type': 'llama', 'head_dim': 33}                                           | head_dim 33 is odd",
                "{'model_type': 'llama', 'rope_scaling': {'type': 'longrope', 'factor': 2}}        | rope_type 'longrope' is not supported; supported are default, linear, dynamic, llama3, yarn",
                "{'model_type': 'llama', 'rope_scaling': {'type': 'linear'}}                       | rope scaling's factor is , a positive number expected",
                "{'model_type': 'llama', 'rope_theta': 0}                                          | rope_theta is 0.0, a positive number expected",
                "{'model_type': 'llama', 'partial_rotary_factor': 0.5}                             | partial_rotary_factor 0.5 is not supported",
                "{'model_type': 'llama', 'quantization_config': {'quant_method': 'gptq'}}          | quant_method 'gptq' is not supported",
                "{'model_type': 'llama', 'quantization_config': {'quant_method': 'bitsandbytes', 'load_in_8bit': true}} | load_in_8bit is not supported",
            })
    void whatIsNotSupportedIsRefusedByName(String json, String message) {
        assertThatThrownBy(() -> read(json))
                .isInstanceOf(ServingException.class)
                .hasMessageContaining(message);
    }
}
