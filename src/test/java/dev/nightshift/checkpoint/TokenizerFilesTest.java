package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenizerFilesTest {
    @TempDir
    private Path folder;

    private final TinyFolder tiny = new TinyFolder();

    private TokenizerFiles read() {
        return TokenizerFiles.read(new FolderFiles(tiny.write(folder)));
    }

    private GenerationDefaults generation() {
        try (Checkpoint checkpoint = TinyFolder.open(tiny.write(folder))) {
            return checkpoint.generation();
        }
    }

    @Test
    void aTemplateMayStandInTheTokenizerConfig() {
        tiny.files.put("tokenizer_config.json", "{\"chat_template\": \"inside\"}");
        assertThat(read().templates().choose(false)).contains("inside");
        assertThat(read().templates().choose(true)).contains("inside");
    }

    @Test
    void namedTemplatesMayStandInTheTokenizerConfigAsAList() {
        tiny.files.put(
                "tokenizer_config.json",
                "{\"chat_template\": [{\"name\": \"default\", \"template\": \"plain\"}, {\"name\": \"tool_use\", \"template\": \"tools\"}, {\"name\": \"rag\", \"template\": \"documents\"}]}");
        assertThat(read().templates().choose(false)).contains("plain");
        assertThat(read().templates().choose(true)).contains("tools");
        assertThat(read().templates().byName())
                .containsEntry("rag", "documents")
                .hasSize(3);
        tiny.files.put("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"default\"}]}");
        assertThatThrownBy(this::read)
                .isInstanceOf(ServingException.class)
                .hasMessageContaining("has no name or no template");
    }

    @Test
    void templatesInFilesReplaceThoseInTheTokenizerConfig() {
        tiny.files.put("tokenizer_config.json", "{\"chat_template\": \"inside\"}");
        tiny.files.put("chat_template.jinja", "béside\n");
        tiny.files.put("additional_chat_templates/tool_use.jinja", "tools");
        tiny.files.put("additional_chat_templates/notes.txt", "no template");
        assertThat(read().templates().byName()).containsOnlyKeys("default", "tool_use");
        assertThat(read().templates().choose(false)).contains("béside\n");
        assertThat(read().templates().choose(true)).contains("tools");
    }

    @Test
    void aModelMayHaveNoTemplateAtAll() {
        assertThat(read().templates().byName()).isEmpty();
        assertThat(read().templates().choose(false)).isEmpty();
    }

    @Test
    void specialTokensAreStringsOrObjects() {
        tiny.files.put(
                "tokenizer_config.json",
                "{\"bos_token\": {\"__type\": \"AddedToken\", \"content\": \"<s>\", \"lstrip\": false}, \"eos_token\": \"</s>\", \"pad_token\": null}");
        tiny.files.put(
                "special_tokens_map.json",
                "{\"pad_token\": \"<pad>\", \"unk_token\": {\"content\": \"<unk>\"}, \"bos_token\": \"other\"}");
        TokenizerFiles files = read();
        assertThat(files.bos()).contains("<s>");
        assertThat(files.eos()).contains("</s>");
        assertThat(files.pad()).as("an explicit null").isEmpty();
        assertThat(files.unk()).contains("<unk>");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'eos_token_id': 7}              | 7",
                "{'eos_token_id': [7, 9, 7]}      | 7 9",
                "{'eos_token_id': null}           | 2",
                "{}                               | 2",
                "{'eos_token_id': []}             | ''",
            })
    void endsAreAnIdOrAListAndElseThoseOfTheConfig(String json, String expected) {
        tiny.files.put("generation_config.json", json.replace('\'', '"'));
        List<String> ids = generation().eosIds().stream().map(String::valueOf).toList();
        assertThat(String.join(" ", ids)).isEqualTo(expected);
    }

    @Test
    void samplingDefaultsAreRead() {
        tiny.files.put(
                "generation_config.json",
                "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.95, \"top_k\": 20, \"min_p\": 0.0, \"repetition_penalty\": 1.05, \"bos_token_id\": 1}");
        GenerationDefaults defaults = generation();
        assertThat(defaults.temperature()).isEqualTo(OptionalDouble.of(0.6));
        assertThat(defaults.topP()).isEqualTo(OptionalDouble.of(0.95));
        assertThat(defaults.topK()).isEqualTo(OptionalInt.of(20));
        assertThat(defaults.minP()).isEqualTo(OptionalDouble.of(0));
        assertThat(defaults.repetitionPenalty()).isEqualTo(OptionalDouble.of(1.05));
        assertThat(defaults.bosId()).isEqualTo(OptionalInt.of(1));
        assertThat(defaults.padId()).isEmpty();
    }

    @Test
    void anEndThatIsNoTokenIdIsRefused() {
        tiny.files.put("generation_config.json", "{\"eos_token_id\": [\"</s>\"]}");
        assertThatThrownBy(this::generation)
                .isInstanceOf(ServingException.class)
                .hasMessage("eos_token_id \"</s>\" is no token id");
    }
}
