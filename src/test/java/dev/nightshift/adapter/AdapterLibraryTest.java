package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.Quantisation;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.model.GoldenLogitsTest;
import dev.nightshift.model.OpenModel;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What goes in and out, on the golden Llama. */
class AdapterLibraryTest {
    private static final long MIB = 1 << 20;
    /** One rounding of each weight to bfloat16 moves the logits by a percent or so. */
    private static final double ROUNDED = 2e-2;

    @TempDir
    Path root;

    private static AdapterLibrary library(AdapterScene scene, Path folder, long uploadBytes, Path exports) {
        AdapterBase base = new AdapterBase(
                "golden",
                scene.model.checkpoint(),
                () -> Checkpoint.open(
                        new ModelSource.Folder(folder),
                        LoadOptions.defaults().withQuantisation(Quantisation.NONE),
                        LoadProgress.SILENT));
        return new AdapterLibrary(scene.registry, base, new UploadLimits(uploadBytes, 20, 50), exports);
    }

    @Test
    void twoFilesThatTogetherExceedTheLimitAreRefusedWithIt() throws IOException {
        Path adapter = AdapterScene.golden("attention_only");
        Path config = adapter.resolve("adapter_config.json");
        Path weights = adapter.resolve("adapter_model.safetensors");
        long limit = Files.size(config) + Files.size(weights) - 1;
        Path folder = GoldenTensors.shared("golden", "models", "llama").resolve("bf16");
        try (AdapterScene scene = AdapterScene.openFamily(root.resolve("a"), "llama", "bf16", 1, MIB)) {
            AdapterLibrary library = library(scene, folder, limit, root.resolve("x"));
            assertThatThrownBy(() -> library.upload("big", config, weights))
                    .isInstanceOfSatisfying(
                            ServingException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE))
                    .hasMessageContaining(Long.toString(limit))
                    .hasMessageContaining("adapter_model.safetensors")
                    .hasMessageContaining("nightshift.adapter-upload-limit");
            assertThat(scene.registry.find("big")).isEmpty();
            try (var left = Files.list(root.resolve("a"))) {
                assertThat(left).isEmpty();
            }
            assertThat(library(scene, folder, limit + 1, root.resolve("x"))
                            .upload("fits", config, weights)
                            .state())
                    .isEqualTo(AdapterState.READY);
        }
    }

    /** By way of the download, as a client gets it. */
    @Test
    void mergesIntoThe16BitWeightsOfTheFiles() throws IOException {
        Path folder = GoldenTensors.shared("golden", "models", "llama").resolve("bf16");
        Path adapters = root.resolve("adapters");
        AdapterScene.copyGolden(adapters, "plain");
        int[] ids = AdapterScene.prompt(1, 12);
        float[] adapted;
        float[] without;
        try (AdapterScene scene = AdapterScene.openFamily(adapters, "llama", "bf16", 1, MIB);
                AdapterLibrary library = library(scene, folder, MIB, root.resolve("exports"))) {
            Export export =
                    library.merge("plain", MergeSource.STORED, Optional.empty()).join();
            assertThat(export.name()).isEqualTo("golden-plain-1-stored");
            unpack(library, export.name());
            AdapterLease lease = scene.registry.acquire("plain");
            adapted = scene.model.logits(ids, lease.slot());
            without = scene.model.logits(ids);
            lease.close();
        }
        Path merged = root.resolve("golden-plain-1-stored");
        assertThat(Files.readString(merged.resolve("README.md"))).contains("16-bit weights of the base model's files");
        try (OpenModel model = OpenModel.openFamily(
                "cpu", merged, Quantisation.NONE, AdapterScene.limits().batchLimits(OpenModel.BLOCK_TOKENS), 8)) {
            assertThat(GoldenLogitsTest.relativeError(model.logits(ids), adapted))
                    .isLessThan(ROUNDED);
            assertThat(GoldenLogitsTest.relativeError(without, adapted)).isGreaterThan(10 * ROUNDED);
        }
    }

    private void unpack(AdapterLibrary library, String export) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (FolderDownload download = library.downloadExport(export)) {
            download.writeTo(bytes);
        }
        try (TarArchiveInputStream in = new TarArchiveInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            for (TarArchiveEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                Path file = root.resolve(entry.getName());
                Files.createDirectories(file.getParent());
                Files.write(file, in.readAllBytes());
            }
        }
    }

    @Test
    void storedWeightsOfFourBitAreNotMergedInto() {
        Path folder = GoldenTensors.shared("golden", "models", "llama").resolve("bnb-4bit");
        Path adapters = root.resolve("adapters");
        AdapterScene.copyGolden(adapters, "plain");
        try (AdapterScene scene = AdapterScene.openFamily(adapters, "llama", "bnb-4bit", 1, MIB)) {
            AdapterLibrary library = library(scene, folder, MIB, root.resolve("exports"));
            assertThatThrownBy(() -> library.merge("plain", MergeSource.STORED, Optional.empty())
                            .join())
                    .hasCauseInstanceOf(ServingException.class)
                    .hasMessageContaining("4-bit");
            assertThat(root.resolve("exports/golden-plain-1-stored")).doesNotExist();
        }
    }
}
