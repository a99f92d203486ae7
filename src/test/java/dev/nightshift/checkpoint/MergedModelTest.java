package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.adapter.GoldenAdapters;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.BatchLimits;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.OpenModel;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.tensor.Weight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Golden adapters merged into their base, against PEFT's logits of base and adapter. */
class MergedModelTest {
    /**
     * Relative error of logits that rounding every merged weight to bfloat16 may cost. PEFT 0.21.2's own merge_and_unload of
     * these adapters into the float32 llama, rounded to bfloat16 with torch 2.15, is 2.9e-3 (attention_only), 7.1e-3 (plain) and
     * 1.26e-2 (rslora) away from the adapter unmerged.
     */
    private static final double ROUNDED_WEIGHTS = 2e-2;

    /** Half a unit in bfloat16's last place, at most 2^-8 of the value, and binary32 before it. */
    private static final double ROUNDED_ONCE = 1.001 / 256;

    private static final BatchLimits LIMITS = new BatchLimits(80, 1, 80, 8);

    @TempDir
    Path folder;

    private static Checkpoint open(Path model, Quantisation quantisation) {
        return Checkpoint.open(
                new ModelSource.Folder(model),
                LoadOptions.defaults().withQuantisation(quantisation),
                LoadProgress.SILENT);
    }

    private MergedModel.Written merge(Path model, Quantisation quantisation, String adapter) throws IOException {
        try (Checkpoint base = open(model, quantisation);
                Arena arena = Arena.ofShared()) {
            LoraWeights weights = PeftFolder.read(GoldenAdapters.folder(adapter), base.config(), arena);
            return MergedModel.write(folder, base.weights(), weights, base.companions(), MergeProgress.SILENT);
        }
    }

    private float[] logits(Path model) {
        int[] ids = GoldenTensors.open(
                        GoldenTensors.shared("golden", "models", "llama").resolve("io.safetensors"))
                .ints("input_ids");
        try (OpenModel open = OpenModel.openFamily("cpu", model, Quantisation.NONE, LIMITS, 8)) {
            return open.logits(ids);
        }
    }

    private static double relativeError(float[] ours, float[] golden) {
        assertThat(ours).hasSameSizeAs(golden);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < ours.length; i++) {
            double d = (double) ours[i] - golden[i];
            difference += d * d;
            norm += (double) golden[i] * golden[i];
        }
        return Math.sqrt(difference / norm);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"plain", "dora", "head_saved", "patterns", "rslora", "r64", "some_layers", "attention_only"})
    void theMergedModelAnswersAsBaseAndAdapterDo(String adapter) throws IOException {
        merge(GoldenAdapters.base(), Quantisation.NF4, adapter);
        float[] golden = GoldenTensors.open(GoldenAdapters.folder(adapter).resolve("io.safetensors"))
                .floats("logits");
        double error = relativeError(logits(folder), golden);
        System.err.printf("%s: merged %.2e%n", adapter, error);
        assertThat(error).isLessThan(ROUNDED_WEIGHTS);
        float[] without = GoldenTensors.open(
                        GoldenTensors.shared("golden", "models", "llama").resolve("io.safetensors"))
                .floats("logits_nf4");
        assertThat(relativeError(without, golden)).isGreaterThan(20 * ROUNDED_WEIGHTS);
    }

    @Test
    void eachMergedWeightIsTheSumRoundedOnce() throws IOException {
        merge(GoldenAdapters.base(), Quantisation.NF4, "rslora");
        try (Arena arena = Arena.ofShared();
                Checkpoint base = open(GoldenAdapters.base(), Quantisation.NF4)) {
            LoraWeights adapter = PeftFolder.read(GoldenAdapters.folder("rslora"), base.config(), arena);
            LoraWeights.Factors factors = adapter.factors().getFirst();
            int target = factors.target();
            assertThat(target).isZero();
            Weight.Fused qkv = (Weight.Fused) base.weights().layer(0, arena).qkv();
            int columns = qkv.columns();
            StoredTensor merged = TensorFiles.open(new FolderFiles(folder), arena)
                    .require(AdapterModules.name(base.config(), target) + ".weight");
            float[] row = new float[columns];
            for (int o = 0; o < qkv.parts().getFirst().rows(); o += 5) {
                WeightRows.of(qkv.parts().getFirst()).read(o, row);
                for (int i = 0; i < columns; i++) {
                    double sum = row[i];
                    for (int j = 0; j < factors.rank(); j++) {
                        sum += (double) factors.scale()
                                * PeftFolder.value(factors.b(), (long) o * factors.rank() + j)
                                * PeftFolder.value(factors.a(), (long) j * columns + i);
                    }
                    assertThat((double) PeftFolder.value(merged.tensor(), (long) o * columns + i))
                            .isCloseTo(sum, within(ROUNDED_ONCE * Math.abs(sum) + 1e-7));
                }
            }
        }
    }

    @Test
    void givenSixteenBitWeightsAreMergedInsteadOfTheQuantisedOnes() throws IOException {
        Path bf16 = GoldenTensors.shared("golden", "models", "llama").resolve("bf16");
        merge(bf16, Quantisation.NONE, "attention_only");
        String untouched = "model.layers.0.mlp.down_proj.weight";
        try (Arena arena = Arena.ofShared();
                Checkpoint given = open(bf16, Quantisation.NONE)) {
            TensorFiles merged = TensorFiles.open(new FolderFiles(folder), arena);
            WeightRows rows = WeightRows.of(given.weights().layer(0, arena).down());
            StoredTensor stored = merged.require(untouched);
            int columns = Math.toIntExact(stored.shape().axis(1));
            float[] row = new float[columns];
            rows.read(1, row);
            for (int i = 0; i < columns; i++) {
                assertThat(PeftFolder.value(stored.tensor(), columns + i))
                        .isEqualTo(BFloat16.toFloat(BFloat16.fromFloat(row[i])));
            }
        }
    }

    @Test
    void theFolderIsAModelThatSaysNothingOfQuantisation() throws IOException {
        MergedModel.Written written = merge(GoldenAdapters.base(), Quantisation.NF4, "plain");
        String config = Files.readString(folder.resolve("config.json"));
        assertThat(config).doesNotContain("quantization_config").contains("bfloat16");
        assertThat(written.files())
                .contains("config.json", "tokenizer.json", "model.safetensors.index.json")
                .allMatch(name -> Files.exists(folder.resolve(name)));
        long shards = written.files().stream()
                .filter(name -> name.endsWith(".safetensors"))
                .count();
        try (Checkpoint merged = open(folder, Quantisation.NONE)) {
            assertThat(shards).isEqualTo(merged.config().layers() + 2L);
            assertThat(MergedModel.estimate(merged.config())).isLessThanOrEqualTo(written.bytes());
            assertThat(merged.notes()).isEmpty();
        }
    }

    @Test
    void aBaseWithoutFilesIsRefused() {
        try (Checkpoint base = open(GoldenAdapters.base(), Quantisation.NF4)) {
            LoraWeights none = new LoraWeights(List.of(), Map.of());
            assertThatThrownBy(() -> MergedModel.write(folder, base.weights(), none, Map.of(), MergeProgress.SILENT))
                    .hasMessageContaining("config.json");
        }
    }
}
