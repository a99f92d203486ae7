package dev.nightshift.train;

import dev.nightshift.checkpoint.Checkpoint;
import dev.nightshift.checkpoint.GoldenTensors;
import dev.nightshift.checkpoint.LoadOptions;
import dev.nightshift.checkpoint.LoadProgress;
import dev.nightshift.checkpoint.ModelSource;
import dev.nightshift.model.Llama;
import dev.nightshift.model.LoraParameter;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.RopeTable;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.MemoryPart;
import dev.nightshift.tensor.Shape;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.cpu.VectorOps;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A trainer on golden/models/llama. */
final class TestTrainer implements AutoCloseable {
    static final int LAYERS = 3;

    private final TensorOps ops;
    private final LoraTrainer trainer;

    private TestTrainer(TensorOps ops, LoraTrainer trainer) {
        this.ops = ops;
        this.trainer = trainer;
    }

    /** Chunks that don't divide the batches, so that edges are exercised. */
    static TrainerSettings settings(float weightDecay, float maxGradNorm, long activationBytes) {
        return settings(weightDecay, maxGradNorm, activationBytes, 1 << 26, TrainerSettings.OptimizerKind.ADAMW_32);
    }

    static TrainerSettings settings(
            float weightDecay,
            float maxGradNorm,
            long activationBytes,
            long optimizerBytes,
            TrainerSettings.OptimizerKind optimizer) {
        return new TrainerSettings(
                256,
                48,
                24,
                activationBytes,
                0,
                1,
                0,
                0.9f,
                0.999f,
                1e-8f,
                weightDecay,
                maxGradNorm,
                optimizer,
                optimizerBytes);
    }

    static TestTrainer open(TrainerSettings settings, List<AdapterParameters.HostFactors> adapter) {
        TensorOps ops = new VectorOps(1L << 30, 2);
        try (Checkpoint checkpoint = Checkpoint.open(
                new ModelSource.Folder(GoldenTensors.shared("golden", "models", "llama", "bnb-4bit")),
                LoadOptions.defaults(),
                LoadProgress.SILENT)) {
            ModelWeights weights = Llama.prepare(ops, checkpoint.weights(), layer -> {});
            TrainingArena memory = new TrainingArena(ops.allocate(MemoryPart.TRAINING, DType.U8, Shape.of(1 << 27)));
            List<LoraParameter> parameters = AdapterParameters.upload(ops, memory, adapter);
            RotaryTable rotary = rounded(
                    new RopeTable(
                            checkpoint.config().rope(), checkpoint.config().headDim()),
                    checkpoint.config().headDim());
            return new TestTrainer(ops, new LoraTrainer(ops, weights, settings, parameters, rotary, memory));
        }
    }

    /**
     * The goldens' maker cast its model whole to bfloat16, inverse frequencies of the rotary embedding included (transformers'
     * own loading does not); so does this table.
     */
    private static RotaryTable rounded(RopeTable rope, int dim) {
        float[] first = new float[dim];
        rope.write(MemorySegment.ofArray(first), 0, 1, 1);
        float[] inverse = new float[dim / 2];
        for (int i = 0; i < inverse.length; i++) {
            int bits = Float.floatToRawIntBits((float) Math.atan2(first[dim / 2 + i], first[i]));
            inverse[i] = Float.intBitsToFloat(bits + 0x7fff + (bits >>> 16 & 1) & 0xffff0000);
        }
        return (positions, length, cosSin, offset) -> {
            for (int p = 0; p < positions.length; p++) {
                for (int i = 0; i < inverse.length; i++) {
                    float angle = positions[p] * inverse[i];
                    cosSin[offset + p * dim + i] = (float) Math.cos(angle);
                    cosSin[offset + p * dim + dim / 2 + i] = (float) Math.sin(angle);
                }
            }
        };
    }

    StepResult run(OptimizerStep step) {
        trainer.begin(step);
        while (!trainer.stepDone()) {
            trainer.runStage();
        }
        return trainer.result();
    }

    LoraTrainer trainer() {
        return trainer;
    }

    List<LoraParameter> parameters() {
        return trainer.parameters();
    }

    List<AdapterParameters.HostFactors> download() {
        return AdapterParameters.download(ops, trainer.parameters());
    }

    @Override
    public void close() {
        trainer.close();
        ops.close();
    }
}
