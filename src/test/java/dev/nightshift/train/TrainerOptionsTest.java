package dev.nightshift.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightshift.checkpoint.GoldenTensors;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** What the goldens leave at its default: LoRA+, NEFTune, dropout, rsLoRA. */
class TrainerOptionsTest {
    private static final double RATE = 1e-3;
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

    @Test
    void rankStabilisedScaleGrowsWithTheRootOfTheRank() {
        TreeSet<Integer> all = new TreeSet<>(Set.of(0));
        assertThat(new AdapterShape(64, 16, false, all).scale()).isEqualTo(0.25f);
        assertThat(new AdapterShape(64, 16, true, all).scale()).isEqualTo(2);
    }
}
