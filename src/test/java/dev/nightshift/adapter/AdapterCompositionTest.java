package dev.nightshift.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.checkpoint.PeftFolder;
import dev.nightshift.model.AdapterModules;
import dev.nightshift.model.LoraWeights;
import dev.nightshift.model.ModelConfig;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Sums of the golden adapters. */
class AdapterCompositionTest {
    /** Factors are stored in binary32. */
    private static final double FLOAT = 1e-6;

    private final Arena arena = Arena.ofShared();
    private ModelConfig base;

    @TempDir
    Path folder;

    @BeforeEach
    void open() {
        Path model = GoldenAdapters.base();
        try (Checkpoint checkpoint =
                Checkpoint.open(new ModelSource.Folder(model), LoadOptions.defaults(), LoadProgress.SILENT)) {
            base = checkpoint.config();
        }
    }

    @AfterEach
    void close() {
        arena.close();
    }

    private LoraWeights golden(String name) {
        return PeftFolder.read(GoldenAdapters.folder(name), base, arena);
    }

    private AdapterComposition.Part part(String name, double weight) {
        return new AdapterComposition.Part(name, golden(name), weight);
    }

    /** Element of {@code scale B A} of a target, 0 where the adapter leaves it alone. */
    private static double change(LoraWeights weights, int target, int o, int i) {
        return weights.factors().stream()
                .filter(factors -> factors.target() == target)
                .mapToDouble(factors -> {
                    long inputs = factors.a().shape().axis(1);
                    double sum = 0;
                    for (int j = 0; j < factors.rank(); j++) {
                        sum += (double) PeftFolder.value(factors.b(), (long) o * factors.rank() + j)
                                * PeftFolder.value(factors.a(), j * inputs + i);
                    }
                    return factors.scale() * sum;
                })
                .sum();
    }

    private void assertSum(LoraWeights sum, LoraWeights first, double w1, LoraWeights second, double w2) {
        for (LoraWeights.Factors factors : sum.factors()) {
            int outputs = AdapterModules.outputs(base, factors.target());
            int inputs = AdapterModules.inputs(base, factors.target());
            for (int o = 0; o < outputs; o += 7) {
                for (int i = 0; i < inputs; i += 5) {
                    double expected =
                            w1 * change(first, factors.target(), o, i) + w2 * change(second, factors.target(), o, i);
                    assertThat(change(sum, factors.target(), o, i)).isCloseTo(expected, within(FLOAT));
                }
            }
        }
    }

    @Test
    void theSumIsTheWeightedSumOfTheChanges() {
        LoraWeights plain = golden("plain");
        LoraWeights rsLora = golden("rslora");
        LoraWeights sum = AdapterComposition.sum(
                        List.of(part("plain", 0.75), part("rslora", -0.5)), OptionalInt.empty(), base, arena)
                .weights();
        assertThat(sum.rankMax()).isEqualTo(plain.rankMax() + rsLora.rankMax());
        assertSum(sum, plain, 0.75, rsLora, -0.5);
    }

    @Test
    void targetsOfOneAdapterAloneKeepItsChange() {
        LoraWeights attention = golden("attention_only");
        LoraWeights layers = golden("some_layers");
        LoraWeights sum = AdapterComposition.sum(
                        List.of(part("attention_only", 1), part("some_layers", 2)), OptionalInt.empty(), base, arena)
                .weights();
        assertSum(sum, attention, 1, layers, 2);
    }

    @Test
    void theSumSurvivesThePeftFolder() throws IOException {
        LoraWeights patterns = golden("patterns");
        LoraWeights attention = golden("attention_only");
        LoraWeights sum = AdapterComposition.sum(
                        List.of(part("patterns", 1), part("attention_only", 0.5)), OptionalInt.empty(), base, arena)
                .weights();
        ComposedFolder.write(folder, sum, "base", base);
        LoraWeights read = PeftFolder.read(folder, base, arena);
        assertThat(read.factors()).hasSameSizeAs(sum.factors());
        assertSum(read, patterns, 1, attention, 0.5);
        assertThat(Files.list(folder).map(file -> file.getFileName().toString()))
                .containsExactlyInAnyOrder(PeftFolder.CONFIG, PeftFolder.WEIGHTS);
    }

    @Test
    void anAdapterMinusItselfIsNothingAtAnyRank() {
        AdapterComposition.Result result =
                AdapterComposition.sum(List.of(part("plain", 1), part("plain", -1)), OptionalInt.of(2), base, arena);
        assertThat(result.weights().rankMax()).isEqualTo(2);
        LoraWeights.Factors factors = result.weights().factors().getFirst();
        assertThat(change(result.weights(), factors.target(), 3, 3)).isCloseTo(0, within(FLOAT));
    }

    @Test
    void twiceTheSameAdapterReducesToItsOwnRankWithoutLoss() {
        LoraWeights plain = golden("plain");
        AdapterComposition.Result result = AdapterComposition.sum(
                List.of(part("plain", 0.25), part("plain", 0.75)), OptionalInt.of(plain.rankMax()), base, arena);
        assertThat(result.relativeError()).isLessThan(FLOAT);
        assertSum(result.weights(), plain, 1, plain, 0);
    }

    @Test
    void ranksThatAddUpToMoreThan256AreRefusedUnlessReduced() {
        AdapterComposition.Part big = part("r64", 1);
        List<AdapterComposition.Part> five = List.of(big, big, big, big, big);
        assertThatThrownBy(() -> AdapterComposition.sum(five, OptionalInt.empty(), base, arena))
                .hasMessageContaining("320")
                .hasMessageContaining("256")
                .hasMessageContaining("q_proj");
        AdapterComposition.Result reduced = AdapterComposition.sum(five, OptionalInt.of(64), base, arena);
        assertThat(reduced.weights().rankMax()).isEqualTo(64);
        assertThat(reduced.relativeError()).isLessThan(FLOAT);
    }

    @Test
    void whatIsNoLowRankSumIsRefusedByName() {
        assertThatThrownBy(() -> AdapterComposition.sum(List.of(part("dora", 1)), OptionalInt.empty(), base, arena))
                .hasMessageContaining("dora")
                .hasMessageContaining("use_dora");
        assertThatThrownBy(
                        () -> AdapterComposition.sum(List.of(part("head_saved", 1)), OptionalInt.empty(), base, arena))
                .hasMessageContaining("modules_to_save");
        assertThatThrownBy(() ->
                        AdapterComposition.sum(List.of(part("plain", Double.NaN)), OptionalInt.empty(), base, arena))
                .hasMessageContaining("NaN");
    }
}
