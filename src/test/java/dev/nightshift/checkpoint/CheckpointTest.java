package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightshift.failure.ServingException;
import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.quant.FourBitDequantiser;
import dev.nightshift.tensor.BlockScales;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.FourBitCode;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {
    @TempDir
    private Path cache;

    private LoadOptions options(Quantisation quantisation) {
        return new LoadOptions(quantisation, HubSettings.of(Map.of("HF_HUB_OFFLINE", "1")), cache);
    }

    private Checkpoint open(Path folder, Quantisation quantisation) {
        return Checkpoint.open(new ModelSource.Folder(folder), options(quantisation), LoadProgress.SILENT);
    }

    @Test
    void quantisingTheSixteenBitModelGivesTheBytesOfTheFourBitOne() {
        assertSameModel(
                GoldenTensors.shared("models", "nightshift-tiny-bf16"),
                GoldenTensors.shared("models", "nightshift-tiny"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama_tied", "mistral", "qwen2", "qwen3"})
    void everyFamilyLoadsInSixteenAndFourBitsWithEqualBytes(String family) {
        Path folder = GoldenTensors.shared("golden", "models", family);
        assertSameModel(folder.resolve("bf16"), folder.resolve("bnb-4bit"));
    }

    private void assertSameModel(Path sixteenBit, Path fourBit) {
        try (Checkpoint wide = open(sixteenBit, Quantisation.NF4);
                Checkpoint packed = open(fourBit, Quantisation.NF4);
                Arena arena = Arena.ofShared()) {
            assertThat(wide.config()).isEqualTo(packed.config());
            ModelWeights left = wide.weights().all(arena, LoadProgress.SILENT);
            ModelWeights right = packed.weights().all(arena, LoadProgress.SILENT);
            assertSame(left.embedding(), right.embedding());
            assertSame(left.head(), right.head());
            assertSame(left.finalNorm(), right.finalNorm());
            for (int i = 0; i < left.layers().size(); i++) {
                LayerWeights a = left.layers().get(i);
                LayerWeights b = right.layers().get(i);
                assertThat(partsOf(a.qkv())).hasSize(3).allMatch(Weight.FourBit.class::isInstance);
                assertSame(a.qkv(), b.qkv());
                assertSame(a.output(), b.output());
                assertSame(a.gateUp(), b.gateUp());
                assertSame(a.down(), b.down());
                assertSame(a.inputNorm(), b.inputNorm());
                assertSame(a.postNorm(), b.postNorm());
                assertSame(a.qNorm(), b.qNorm());
                assertSame(a.kNorm(), b.kNorm());
                assertSame(a.qkvBias(), b.qkvBias());
            }
            assertThat(wide.notes()).singleElement().asString().contains("quantised to NF4");
            assertThat(packed.notes()).isEmpty();
        }
    }

    private static List<Weight> partsOf(Weight weight) {
        return ((Weight.Fused) weight).parts();
    }

    private static void assertSame(Weight left, Weight right) {
        switch (left) {
            case Weight.Fused(List<Weight> parts) -> {
                for (int i = 0; i < parts.size(); i++) {
                    assertSame(parts.get(i), partsOf(right).get(i));
                }
            }
            case Weight.Dense(Tensor values) -> assertSame(values, ((Weight.Dense) right).values());
            case Weight.FourBit a -> {
                Weight.FourBit b = (Weight.FourBit) right;
                assertThat(a.blockSize()).isEqualTo(b.blockSize());
                assertSame(a.packed(), b.packed());
                BlockScales.Nested x = (BlockScales.Nested) a.scales();
                BlockScales.Nested y = (BlockScales.Nested) b.scales();
                assertSame(x.codes(), y.codes());
                assertSame(x.map(), y.map());
                assertSame(x.nestedAbsmax(), y.nestedAbsmax());
                assertThat(x.offset()).isEqualTo(y.offset());
            }
            case Weight.Prepared prepared -> throw new IllegalStateException("prepared: " + prepared);
        }
    }

    private static void assertSame(Tensor left, Tensor right) {
        if (left == null || right == null) {
            assertThat(left).isSameAs(right);
            return;
        }
        assertThat(left.dtype()).isEqualTo(right.dtype());
        assertThat(left.data().mismatch(right.data())).isEqualTo(-1);
    }

    @Test
    void theEmbeddedModelIsThatOfTheSharedFolder() {
        try (Checkpoint embedded = Checkpoint.open(
                        ModelSource.parse(Optional.empty()), options(Quantisation.NF4), LoadProgress.SILENT);
                Checkpoint folder = open(GoldenTensors.shared("models", "nightshift-tiny"), Quantisation.NF4)) {
            assertThat(embedded.name()).isEqualTo("nightshift-tiny").isEqualTo(folder.name());
            assertThat(embedded.digest()).isEqualTo(folder.digest()).matches("[0-9a-f]{64}");
            assertThat(embedded.tokenizer().json()).isEqualTo(folder.tokenizer().json());
            assertThat(embedded.tokenizer().templates())
                    .isEqualTo(folder.tokenizer().templates());
            assertThat(embedded.generation()).isEqualTo(folder.generation());
            assertThat(embedded.generation().eosIds()).containsExactly(2);
            assertThat(embedded.tokenizer().eos()).contains("<|im_end|>");
            assertThat(embedded.tokenizer().templates().choose(false).orElseThrow())
                    .contains("<|im_start|>");
        }
    }

    @Test
    void digestsTellModelsApart() {
        Path family = GoldenTensors.shared("golden", "models", "llama");
        try (Checkpoint wide = open(family.resolve("bf16"), Quantisation.NF4);
                Checkpoint packed = open(family.resolve("bnb-4bit"), Quantisation.NF4);
                Checkpoint again = open(family.resolve("bf16"), Quantisation.NONE)) {
            assertThat(wide.digest()).isNotEqualTo(packed.digest()).isEqualTo(again.digest());
        }
    }

    @Test
    void linearsStaySixteenBitOrBecomeFp4WhenAskedTo() {
        Path folder = GoldenTensors.shared("golden", "models", "llama").resolve("bf16");
        try (Checkpoint dense = open(folder, Quantisation.NONE);
                Checkpoint fp4 = open(folder, Quantisation.FP4);
                Arena arena = Arena.ofShared()) {
            Weight down = dense.weights().layer(0, arena).down();
            assertThat(down).isInstanceOf(Weight.Dense.class);
            assertThat(((Weight.Dense) down).values().dtype()).isEqualTo(DType.BF16);
            assertThat(((Weight.FourBit) fp4.weights().layer(0, arena).down()).code())
                    .isEqualTo(FourBitCode.FP4);
        }
        assertThatThrownBy(() -> Quantisation.parse("int8"))
                .isInstanceOf(ServingException.class)
                .hasMessage("quantisation 'int8' is none of nf4, fp4, none");
    }

    @Test
    void smolLm2LoadsAsItIs() {
        Path folder = GoldenTensors.shared("models", "smollm2-135m-instruct-bnb-4bit");
        try (Checkpoint checkpoint = open(folder, Quantisation.NF4);
                Arena arena = Arena.ofShared()) {
            assertThat(checkpoint.config().layers()).isEqualTo(30);
            assertThat(checkpoint.config().tiedEmbeddings()).isTrue();
            Weight embedding = checkpoint.weights().embedding(arena);
            assertThat(checkpoint.weights().head(embedding, arena)).isSameAs(embedding);
            Weight.FourBit down =
                    (Weight.FourBit) checkpoint.weights().layer(29, arena).down();
            float[] values = FourBitDequantiser.dequantise(down);
            assertThat(values).hasSize(576 * 1536).doesNotContain(Float.NaN);
            assertThat(checkpoint.tokenizer().bos()).contains("<|im_start|>");
            assertThat(new String(checkpoint.tokenizer().json(), StandardCharsets.UTF_8))
                    .startsWith("{");
        }
    }
}
