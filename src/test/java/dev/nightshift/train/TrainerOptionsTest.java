package dev.nightshift.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.model.LoraParameter;
import dev.nightshift.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the goldens leave at its default: LoRA+, NEFTune, dropout, rsLoRA. */
class TrainerOptionsTest {
    private static final double RATE = 1e-3;
    private static final double MOVE = 0.003; // of the loss
    private static final double DIFFERENCES = 1e-2; // of the slope of a loss of float32 terms
    private static final Path FOLDER = GoldenTensors.shared("golden", "training");
    private static final MicroBatch BATCH = new MicroBatch(List.of(new Segment(
            new int[] {5, 20, 21, 22, 23, 7, 8, 9, 10, 2},
            new float[] {0, 0, 0, 0, 0, 1, 1, 1, 1, 1},
            Segment.Role.TARGET)));

    private static TrainerSettings settings(float dropout, float plusRatio, float neftuneAlpha) {
        return new TrainerSettings(
                64,
                48,
                24,
                1 << 20,
                dropout,
                plusRatio,
                neftuneAlpha,
                0.9f,
                0.999f,
                1e-8f,
                0,
                0,
                TrainerSettings.OptimizerKind.ADAMW_32,
                1 << 26);
    }

    private static GoldenTensors start() {
        return GoldenTensors.open(FOLDER.resolve("final").resolve("adapter_model.safetensors"));
    }

    private static TestTrainer open(TrainerSettings settings) throws Exception {
        return TestTrainer.open(settings, TrainingGolden.adapter(start(), TestTrainer.LAYERS, 2));
    }

    /** The adapter after one step. */
    private static Map<String, float[]> learnt(TrainerSettings settings) throws Exception {
        try (TestTrainer trainer = open(settings)) {
            trainer.run(step(1));
            return TrainingGolden.byName(trainer.download());
        }
    }

    private static OptimizerStep step(long seed) {
        return new OptimizerStep(new Objective.Supervised(), List.of(BATCH), List.of(), RATE, 1, seed);
    }

    private static double loss(TrainerSettings settings, long seed) throws Exception {
        try (TestTrainer trainer = open(settings)) {
            return trainer.run(step(seed)).loss();
        }
    }

    private static double evaluated(TrainerSettings settings) throws Exception {
        try (TestTrainer trainer = open(settings)) {
            trainer.trainer().beginEvaluation(new Objective.Supervised(), List.of(BATCH), true);
            while (!trainer.trainer().stepDone()) {
                trainer.trainer().runStage();
            }
            return trainer.trainer().result().loss();
        }
    }

    @Test
    void loraPlusMovesBByItsRatioAndAAsBefore() throws Exception {
        GoldenTensors start = start();
        Map<String, float[]> plain = learnt(settings(0, 1, 0));
        Map<String, float[]> plus = learnt(settings(0, 8, 0));
        for (String name : plain.keySet()) {
            float[] before = start.floats(name);
            float[] wanted = TrainingGolden.minus(plain.get(name), before);
            float[] moved = TrainingGolden.minus(plus.get(name), before);
            float factor = name.contains("lora_B") ? 8 : 1;
            for (int i = 0; i < wanted.length; i++) {
                wanted[i] *= factor;
            }
            // a step of 1e-3 is known to the last place of a number below 1
            assertThat(TrainingGolden.relativeError(moved, wanted, wanted))
                    .as(name)
                    .isLessThan(1e-3);
        }
    }

    @Test
    void neftuneAddsNoiseOfItsSeedToTrainingAndNoneToAnEvaluation() throws Exception {
        TrainerSettings plain = settings(0, 1, 0);
        TrainerSettings noisy = settings(0, 1, 50);
        double quiet = loss(plain, 1);
        assertThat(loss(noisy, 1)).isNotCloseTo(quiet, within(1e-4)).isEqualTo(loss(noisy, 1));
        assertThat(loss(noisy, 2)).isNotEqualTo(loss(noisy, 1));
        assertThat(evaluated(noisy)).isEqualTo(evaluated(plain)).isCloseTo(quiet, within(1e-6));
    }

    @Test
    void dropoutIsItsSeedsInTrainingAndOffInAnEvaluation() throws Exception {
        TrainerSettings plain = settings(0, 1, 0);
        TrainerSettings dropping = settings(0.3f, 1, 0);
        assertThat(loss(dropping, 1)).isNotEqualTo(loss(plain, 1)).isEqualTo(loss(dropping, 1));
        assertThat(loss(dropping, 2)).isNotEqualTo(loss(dropping, 1));
        assertThat(evaluated(dropping)).isEqualTo(evaluated(plain));
    }

    /**
     * Whatever is adapted and however: along its own gradient each factor moves the loss by the gradient's norm. Dropout and
     * NEFTune's noise are the seed's, so that they are the same on both sides.
     */
    @ParameterizedTest
    @CsvSource({"1, 0", "256, 5", "8, 36", "3, 0124", "16, 0123456"})
    void gradientsOfAnySetOfLinearsAreThoseOfFiniteDifferences(int rank, String projections) throws Exception {
        Random random = new Random(rank);
        List<AdapterParameters.HostFactors> factors = new ArrayList<>();
        for (AdapterParameters.HostFactors golden : TrainingGolden.adapter(start(), TestTrainer.LAYERS, 2)) {
            if (projections.indexOf('0' + golden.target() % 7) >= 0) {
                factors.add(new AdapterParameters.HostFactors(
                        golden.target(),
                        1f / rank,
                        normal(random, rank, golden.a().shape().axis(1)),
                        normal(random, golden.b().shape().axis(0), rank)));
            }
        }
        assertThat(factors).hasSize(TestTrainer.LAYERS * projections.length());
        try (TestTrainer trainer = TestTrainer.open(settings(0.1f, 1, 5), factors)) {
            run(trainer);
            Map<Tensor, float[]> gradients = new LinkedHashMap<>();
            for (LoraParameter parameter : trainer.parameters()) {
                gradients.put(parameter.factors().a(), HostRows.floats(parameter.gradientA()));
                gradients.put(parameter.factors().b(), HostRows.floats(parameter.gradientB()));
            }
            gradients.forEach((tensor, gradient) -> {
                double norm = norm(gradient);
                assertThat(norm).isGreaterThan(1e-4);
                double slope = (moved(trainer, tensor, gradient, MOVE / norm / norm)
                                - moved(trainer, tensor, gradient, -MOVE / norm / norm))
                        / (2 * MOVE);
                assertThat(slope).isCloseTo(1, within(DIFFERENCES));
            });
        }
    }

    /** At a rate of zero. */
    private static double run(TestTrainer trainer) {
        return trainer.run(new OptimizerStep(new Objective.Supervised(), List.of(BATCH), List.of(), 0, 1, 9))
                .loss();
    }

    /** The loss with one tensor moved. */
    private static double moved(TestTrainer trainer, Tensor tensor, float[] direction, double step) {
        float[] before = HostRows.floats(tensor);
        float[] after = before.clone();
        for (int i = 0; i < after.length; i++) {
            after[i] += (float) (step * direction[i]);
        }
        MemorySegment.copy(after, 0, tensor.data(), ValueLayout.JAVA_FLOAT, 0, after.length);
        double loss = run(trainer);
        MemorySegment.copy(before, 0, tensor.data(), ValueLayout.JAVA_FLOAT, 0, before.length);
        return loss;
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    private static Tensor normal(Random random, long rows, long columns) {
        float[] values = new float[Math.toIntExact(rows * columns)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (0.1 * random.nextGaussian());
        }
        return HostRows.of(values).reshape(rows, columns);
    }

    @Test
    void rankStabilisedScaleGrowsWithTheRootOfTheRank() {
        TreeSet<Integer> all = new TreeSet<>(Set.of(0));
        assertThat(new AdapterShape(64, 16, false, all).scale()).isEqualTo(0.25f);
        assertThat(new AdapterShape(64, 16, true, all).scale()).isEqualTo(2);
    }
}
