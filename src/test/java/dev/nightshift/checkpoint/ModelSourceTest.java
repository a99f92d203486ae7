package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelSourceTest {
    private static ModelSource parse(String setting) {
        return ModelSource.parse(Optional.of(setting));
    }

    @Test
    void withoutASettingItIsTheEmbeddedModel() {
        assertThat(ModelSource.parse(Optional.empty())).isEqualTo(new ModelSource.Embedded());
        assertThat(parse(" ")).isEqualTo(new ModelSource.Embedded());
        assertThat(parse("nightshift-tiny").modelId()).isEqualTo("nightshift-tiny");
    }

    @Test
    void aFolderIsServedUnderItsName(@TempDir Path folder) {
        assertThat(parse(folder + "/")).isInstanceOf(ModelSource.Folder.class);
        assertThat(parse(folder + "/").modelId()).isEqualTo(folder.getFileName().toString());
    }

    @Test
    void hubIdsMayNameARevision() {
        assertThat(parse("HuggingFaceTB/SmolLM2-135M-Instruct"))
                .isEqualTo(new ModelSource.Hub("HuggingFaceTB/SmolLM2-135M-Instruct", "main"));
        assertThat(parse("org/name@refs/pr/3")).isEqualTo(new ModelSource.Hub("org/name", "refs/pr/3"));
        assertThat(parse("org/name@v1.0").modelId()).isEqualTo("org/name");
    }

    @ParameterizedTest
    @CsvSource({
        "random:llama-3-8b, random:llama-3-8b, 32",
        "random:llama-3-70b:7, random:llama-3-70b:7, 80",
        "random:llama-30b:-1, random:llama-30b:-1, 60"
    })
    void randomShapesMayHaveASeed(String setting, String id, int layers) {
        ModelSource.Random random = (ModelSource.Random) parse(setting);
        assertThat(random.modelId()).isEqualTo(id);
        assertThat(random.shape().config().layers()).isEqualTo(layers);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/no/such/folder", "./missing", "a/b/c", "org/name@", "org/../name"})
    void anythingElseIsRefused(String setting) {
        assertThatThrownBy(() -> parse(setting))
                .isInstanceOf(ServingException.class)
                .hasMessage("model '%s' is no folder, no hub id (org/name or org/name@revision) and no random:<shape>"
                        .formatted(setting));
    }

    @Test
    void unknownShapesAreRefusedWithTheList() {
        assertThatThrownBy(() -> parse("random:llama-9b"))
                .hasMessage(
                        "random shape 'llama-9b' is unknown; known are smollm2-135m, llama-2-7b, llama-3-8b, llama-2-13b, llama-30b, llama-65b, llama-3-70b");
        assertThatThrownBy(() -> parse("random:llama-2-7b:x")).hasMessageContaining("seed 'x' is no integer");
        assertThatThrownBy(() -> parse("random:llama-2-7b:1:2")).hasMessageContaining("random:<shape>:<seed> expected");
    }
}
