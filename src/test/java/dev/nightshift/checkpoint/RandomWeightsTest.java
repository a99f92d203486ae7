package dev.nightshift.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.model.LayerWeights;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.quant.BFloat16;
import dev.nightshift.quant.DoubleQuantisation;
import dev.nightshift.quant.FourBitDequantiser;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RandomWeightsTest {
    @TempDir
    private java.nio.file.Path cache;

    private Checkpoint open(String source, Quantisation quantisation) {
        LoadOptions options = new LoadOptions(quantisation, HubSettings.of(Map.of()), cache);
        return Checkpoint.open(ModelSource.parse(Optional.of(source)), options, LoadProgress.SILENT);
    }

    @Test
    void weightsHaveTheVarianceThatKeepsActivationsInSize() {
        try (Checkpoint checkpoint = open("random:smollm2-135m:5", Quantisation.NF4);
                Arena arena = Arena.ofShared()) {
            LayerWeights layer = checkpoint.weights().layer(29, arena);
            Weight.FourBit down = (Weight.FourBit) layer.down();
            assertThat(down.rows()).isEqualTo(576);
            assertThat(down.columns()).isEqualTo(1536);
            float[] absmax = DoubleQuantisation.absmax(down.scales());
            for (float value : absmax) {
                assertThat(value).isPositive().isLessThan(0.1f);
            }
            double squares = 0;
            float[] values = FourBitDequantiser.dequantise(down);
            for (float value : values) {
                squares += value * value;
            }
            assertThat(squares / values.length * 1536).isCloseTo(1.0, within(0.1));
            assertThat(layer.inputNorm().data().get(ValueLayout.JAVA_FLOAT, 0)).isEqualTo(1.0f);
        }
    }

    @Test
    void idsThatTheTokenizerLacksHaveHeadRowsNearZero() {
        try (Checkpoint checkpoint = open("random:smollm2-135m", Quantisation.NF4);
                Arena arena = Arena.ofShared()) {
            Weight.Dense embedding = (Weight.Dense) checkpoint.weights().embedding(arena);
            assertThat(checkpoint.weights().head(embedding, arena)).isSameAs(embedding);
            assertThat(rms(embedding.values().rows(0, 4096)) * Math.sqrt(576)).isCloseTo(4.0, within(0.05));
            assertThat(rms(embedding.values().rows(4096, 49152)) * Math.sqrt(576))
                    .isCloseTo(0.01, within(0.001));
            assertThat(checkpoint.generation().eosIds()).isEmpty();
            assertThat(checkpoint.tokenizer().templates().choose(false)).isPresent();
        }
    }

    private static double rms(Tensor tensor) {
        double squares = 0;
        long count = tensor.shape().elements();
        for (long i = 0; i < count; i++) {
            float value = BFloat16.toFloat(tensor.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i));
            squares += value * value;
        }
        return Math.sqrt(squares / count);
    }

    @Test
    void theSeedDecidesEveryByte() {
        try (Checkpoint one = open("random:smollm2-135m:1", Quantisation.NF4);
                Checkpoint again = open("random:smollm2-135m:1", Quantisation.NF4);
                Checkpoint two = open("random:smollm2-135m:2", Quantisation.NF4);
                Arena arena = Arena.ofShared()) {
            Weight.FourBit a = (Weight.FourBit) one.weights().layer(3, arena).output();
            Weight.FourBit b = (Weight.FourBit) again.weights().layer(3, arena).output();
            Weight.FourBit c = (Weight.FourBit) two.weights().layer(3, arena).output();
            Weight.FourBit d = (Weight.FourBit) one.weights().layer(4, arena).output();
            assertThat(a.packed().data().mismatch(b.packed().data())).isEqualTo(-1);
            assertThat(a.packed().data().mismatch(c.packed().data())).isNotEqualTo(-1);
            assertThat(a.packed().data().mismatch(d.packed().data())).isNotEqualTo(-1);
            assertThat(one.digest()).isEqualTo(again.digest()).isNotEqualTo(two.digest());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "random:smollm2-135m, 134515008", "random:llama-2-7b, 6738415616", "random:llama-3-8b, 8030261248",
        "random:llama-2-13b, 13015864320", "random:llama-30b, 32528943616", "random:llama-65b, 65285660672",
        "random:llama-3-70b, 70553706496"
    })
    void shapesHaveTheParametersOfTheModelsTheyAreNamedAfter(String source, long parameters) {
        try (Checkpoint checkpoint = open(source, Quantisation.NF4)) {
            ModelConfig c = checkpoint.config();
            long layer =
                    (long) c.hiddenSize() * (c.qkvSize() + c.heads() * c.headDim() + 3L * c.intermediateSize() + 2);
            long vocabulary = (long) c.vocabSize() * c.hiddenSize() * (c.tiedEmbeddings() ? 1 : 2);
            assertThat(layer * c.layers() + vocabulary + c.hiddenSize()).isEqualTo(parameters);
        }
    }

    @Test
    void sixteenBitRandomWeightsAreRefused() {
        assertThatThrownBy(() -> open("random:llama-2-7b", Quantisation.NONE))
                .hasMessage("model random:llama-2-7b is drawn in 4 bits; quantisation none is not supported for it");
    }
}
