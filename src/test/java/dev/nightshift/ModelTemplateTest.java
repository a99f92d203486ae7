package dev.nightshift;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.checkpoint.ChatTemplates;
import dev.nightshift.checkpoint.TokenizerFiles;
import dev.nightshift.template.ChatPrompt;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelTemplateTest {
    private static final ChatPrompt HI =
            new ChatPrompt(List.of(Map.of("role", "user", "content", "Hi")), null, null, true, false, Map.of());
    private static final ChatPrompt WITH_TOOLS =
            new ChatPrompt(HI.messages(), List.of(Map.of("type", "function")), null, true, false, Map.of());

    private static TokenizerFiles files(Map<String, String> templates) {
        return new TokenizerFiles(
                new byte[0],
                new ChatTemplates(templates),
                Optional.of("<s>"),
                Optional.of("</s>"),
                Optional.empty(),
                Optional.empty());
    }

    @Test
    void aModelWithoutTemplateIsToldSoNeverGuessed() {
        ModelTemplate none = ModelTemplate.of(files(Map.of()), Optional.empty());
        assertThat(none.source()).isNull();
        assertThatThrownBy(() -> none.render(HI))
                .hasMessageContaining("nightshift.chat-template")
                .hasMessageContaining("chatml");
    }

    @Test
    void theModelsOwnTemplateHasItsSpecialTokensAndItsToolVariant() {
        ModelTemplate own = ModelTemplate.of(
                files(Map.of("default", "{{ bos_token }}plain{{ eos_token }}", "tool_use", "with tools")),
                Optional.empty());
        assertThat(own.render(HI).text()).isEqualTo("<s>plain</s>");
        assertThat(own.render(WITH_TOOLS).text()).isEqualTo("with tools");
        assertThat(own.stops()).isEmpty();
    }

    @Test
    void theSettingNamesATemplateWithItsStopsOrAFile(@TempDir Path folder) throws IOException {
        TokenizerFiles files = files(Map.of("default", "own"));
        ModelTemplate named = ModelTemplate.of(files, Optional.of("guanaco"));
        assertThat(named.render(HI).text()).contains("### Human:");
        assertThat(named.stops()).isNotEmpty();
        Path file = Files.writeString(folder.resolve("t.jinja"), "from a file");
        assertThat(ModelTemplate.of(files, Optional.of(file.toString()))
                        .render(HI)
                        .text())
                .isEqualTo("from a file");
        assertThatThrownBy(() -> ModelTemplate.of(files, Optional.of("nonsense")))
                .hasMessageContaining("nonsense");
    }
}
