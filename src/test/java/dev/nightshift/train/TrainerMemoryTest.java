package dev.nightshift.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.model.Llama;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.RopeTable;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.cpu.VectorOps;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a trainer does with the memory that it is given. */
class TrainerMemoryTest {
    private static final int CAPACITY = 64;
    private static final Set<Integer> ALL = Set.of(0, 1, 2, 3, 4, 5, 6);
    private static final MicroBatch BATCH = new MicroBatch(List.of(
            new Segment(
                    new int[] {5, 20, 21, 22, 23, 7, 8, 9, 10, 2},
                    new float[] {0, 0, 0, 0, 0, 1, 1, 1, 1, 1},
                    Segment.Role.TARGET),
            new Segment(
                    new int[] {5, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 2},
                    new float[] {0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                    Segment.Role.TARGET)));

    private final TensorOps ops = new VectorOps(1L << 29, 2);
    private ModelConfig config;
    private ModelWeights weights;
    private RotaryTable rotary;

    @BeforeEach
    void load() {
        try (Checkpoint checkpoint = Checkpoint.open(
                new ModelSource.Folder(GoldenTensors.shared("golden", "models", "llama", "bnb-4bit")),
                LoadOptions.defaults(),
                LoadProgress.SILENT)) {
            config = checkpoint.config();
            weights = Llama.prepare(ops, checkpoint.weights(), layer -> {});
            rotary = new RopeTable(config.rope(), config.headDim())::fill;
        }
    }

    @AfterEach
    void close() {
        ops.close();
    }

    private static TrainerSettings settings(
            long activationBytes, long optimizerBytes, TrainerSettings.OptimizerKind kind) {
        return new TrainerSettings(
                CAPACITY, 8, 8, activationBytes, 0.1f, 1, 0, 0.9f, 0.999f, 1e-8f, 0, 1, kind, optimizerBytes);
    }

    private static AdapterShape shape(int rank, Set<Integer> projections) {
        return new AdapterShape(rank, 16, false, new TreeSet<>(projections));
    }

    /** In a region of exactly the bytes told for it. */
    private LoraTrainer open(TrainerSettings settings, AdapterShape shape, Tensor region) {
        long bytes = LoraTrainer.arenaBytes(config, settings, shape);
        TrainingArena arena = new TrainingArena(region.rows(0, bytes));
        return new LoraTrainer(
                ops,
                weights,
                settings,
                AdapterParameters.upload(ops, arena, AdapterParameters.fresh(config, shape, 7)),
                rotary,
                arena);
    }

    private Tensor region() {
        return ops.allocate(MemoryPart.TRAINING, DType.U8, Shape.of(1L << 26));
    }

    @Test
    void everyTrainerFitsIntoTheMemoryToldForIt() {
        Tensor region = region();
        for (int rank : new int[] {1, 7, 64, 256}) {
            for (Set<Integer> projections : List.of(Set.of(0), Set.of(2, 6), ALL)) {
                AdapterShape shape = shape(rank, projections);
                long state = 8 * shape.parameters(config);
                for (long optimizer : new long[] {0, state / 8, state / 2, state, 2 * state}) {
                    for (TrainerSettings.OptimizerKind kind : TrainerSettings.OptimizerKind.values()) {
                        for (long activations : new long[] {0, 1 << 18, Long.MAX_VALUE}) {
                            TrainerSettings settings = settings(activations, optimizer, kind);
                            assertThatNoException()
                                    .as("rank %d of %s, %s in %d bytes, activations in %d"
                                            .formatted(rank, projections, kind, optimizer, activations))
                                    .isThrownBy(
                                            () -> open(settings, shape, region).close());
                        }
                    }
                }
            }
        }
    }

    /** Names of a step's stages that work on layers going forward, in order. */
    private static List<String> run(LoraTrainer trainer, int number) {
        List<String> forward = new ArrayList<>();
        trainer.begin(new OptimizerStep(
                new Objective.Supervised(), List.of(BATCH, BATCH), List.of(), 1e-2, number, 31 * number));
        while (!trainer.stepDone()) {
            if (trainer.nextName().equals("project")) {
                forward.add(trainer.nextName());
            }
            trainer.runStage();
        }
        return forward;
    }

    /** Three layers; a micro batch of 24 tokens in chunks of 8; the top layer's activations are there whatever the budget. */
    @Test
    void activationsAreKeptWhereTheyFitAndComputedAgainWithTheSameBitsWhereNot() {
        AdapterShape shape = shape(4, ALL);
        Tensor region = region();
        long most = settingsBytes(shape, Long.MAX_VALUE);
        long set = (most - settingsBytes(shape, 0)) / 2;
        List<byte[]> adapters = new ArrayList<>();
        for (int kept = 1; kept <= 3; kept++) {
            for (long spare : new long[] {0, set - 1}) {
                TrainerSettings settings =
                        settings((kept - 1) * set + spare, 1 << 24, TrainerSettings.OptimizerKind.ADAMW_32);
                assertThat(LoraTrainer.memory(config, settings, shape).layersKept())
                        .isEqualTo(kept);
                try (LoraTrainer trainer = open(settings, shape, region)) {
                    for (int step = 1; step <= 3; step++) {
                        assertThat(run(trainer, step))
                                .as("stages of two batches, each layer forward and %d again", 3 - kept)
                                .hasSize(2 * 3 * (3 + 3 - kept));
                    }
                    adapters.add(bytes(trainer));
                }
            }
        }
        assertThat(adapters).allMatch(adapter -> Arrays.equals(adapter, adapters.getFirst()));
    }

    private long settingsBytes(AdapterShape shape, long activations) {
        return LoraTrainer.arenaBytes(
                config, settings(activations, 1 << 24, TrainerSettings.OptimizerKind.ADAMW_32), shape);
    }

    private byte[] bytes(LoraTrainer trainer) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (AdapterParameters.HostFactors factors : AdapterParameters.download(ops, trainer.parameters())) {
            bytes.writeBytes(factors.a().data().toArray(ValueLayout.JAVA_BYTE));
            bytes.writeBytes(factors.b().data().toArray(ValueLayout.JAVA_BYTE));
        }
        return bytes.toByteArray();
    }
}
