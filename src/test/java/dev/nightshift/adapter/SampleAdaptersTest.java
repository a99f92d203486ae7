package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.model.LoraWeights;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The adapters that a fresh clone serves beside the embedded model. */
class SampleAdaptersTest {
    @ParameterizedTest
    @ValueSource(strings = {"pirate", "zorbia"})
    void belongsToTheEmbeddedModelAndFitsIt(String name) {
        Path folder = Path.of("adapters", name, "1");
        AdapterRecord record = AdapterRecord.read(folder).orElseThrow();
        try (Checkpoint embedded = Checkpoint.open(
                        ModelSource.parse(Optional.empty()), LoadOptions.defaults(), LoadProgress.SILENT);
                Arena arena = Arena.ofConfined()) {
            assertThat(record.origin().base()).isEqualTo(embedded.name());
            assertThat(record.origin().baseDigest()).isEqualTo(embedded.digest());
            LoraWeights weights = PeftFolder.read(folder, embedded.config(), arena);
            assertThat(weights.rankMax()).isEqualTo(4);
            assertThat(weights.factors()).hasSize(4 * embedded.config().layers());
        }
    }
}
