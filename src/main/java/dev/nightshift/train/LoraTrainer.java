package dev.nightshift.train;

import dev.nightshift.model.LoraParameter;
import dev.nightshift.model.LoraTargets;
import dev.nightshift.model.ModelConfig;
import dev.nightshift.model.ModelWeights;
import dev.nightshift.model.TrainingLayer;
import dev.nightshift.tensor.DType;
import dev.nightshift.tensor.Tensor;
import dev.nightshift.tensor.TensorOps;
import dev.nightshift.tensor.TrainingOps;
import dev.nightshift.tensor.TrainingOps.AdamStep;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Trains one adapter over frozen, resident weights. A step is a list of stages written out by {@link #plan} and worked
 * through by a cursor: {@link #runStage} may be called whenever there is time, and nothing but time passes between two stages.
 * The engine's thread only.
 */
public final class LoraTrainer implements AutoCloseable {
    private final TensorOps ops;
    private final TrainingOps back;
    private final TrainerSettings settings;
    private final List<LoraParameter> parameters;
    private final MicroBatchPass pass;
    private final PagedAdamW optimizer;
    private final Tensor squares; // [2 * parameters]

    private List<Stage> stages = List.of();
    private int cursor;
    private StepRecord record;

    /**
     * @param weights prepared by the backend
     * @param parameters with factors and gradients in {@code arena}'s memory or elsewhere on the device
     * @param arena at least {@link #arenaBytes} free
     */
    public LoraTrainer(
            TensorOps ops,
            ModelWeights weights,
            TrainerSettings settings,
            List<LoraParameter> parameters,
            RotaryTable rotary,
            TrainingArena arena) {
        this.ops = ops;
        this.back = ops.training();
        this.settings = settings;
        this.parameters = List.copyOf(parameters);
        ModelConfig config = weights.config();
        TrainingBuffers buffers = new TrainingBuffers(config, settings, parameters, arena);
        List<TrainingLayer> layers = new ArrayList<>();
        for (int l = 0; l < config.layers(); l++) {
            layers.add(new TrainingLayer(
                    ops, back, config, weights.layers().get(l), l, ofLayer(l), settings.dropout(), buffers.scratch));
        }
        pass = new MicroBatchPass(ops, back, weights, settings, buffers, layers, rotary);
        squares = arena.take(DType.F32, 2L * parameters.size());
        optimizer = new PagedAdamW(ops, back, settings, parameters, arena);
    }

    private LoraParameter[] ofLayer(int layer) {
        LoraParameter[] adapted = new LoraParameter[LoraTargets.PER_LAYER];
        for (LoraParameter parameter : parameters) {
            if (parameter.target() / LoraTargets.PER_LAYER == layer) {
                adapted[parameter.target() % LoraTargets.PER_LAYER] = parameter;
            }
        }
        return adapted;
    }

    /** Arena bytes of a trainer with parameters of {@code shape}, the parameters' own included. */
    public static long arenaBytes(ModelConfig config, TrainerSettings settings, AdapterShape shape) {
        long numbers = shape.parameters(config);
        long tensors = (long) shape.projections().size() * config.layers() * 2;
        long factors = 2 * (numbers * 4 + tensors * 256);
        long pages = numbers / PagedAdamW.PAGE_ELEMENTS + tensors + 1;
        return TrainingBuffers.bytes(config, settings, shape)
                + factors
                + PagedAdamW.deviceBytes(settings, numbers, shape.largest(config))
                + pages * 256
                + 8 * tensors
                + 4096;
    }

    /**
     * What a trainer's memory holds, in bytes.
     *
     * @param adapterBytes factors and gradients
     * @param optimizerBytes state within the arena
     * @param optimizerHostBytes state paged to the host
     * @param layersKept layers whose activations are kept
     */
    public record Memory(long adapterBytes, long optimizerBytes, long optimizerHostBytes, int layersKept) {}

    /** How an arena of {@link #arenaBytes} is used. */
    public static Memory memory(ModelConfig config, TrainerSettings settings, AdapterShape shape) {
        long numbers = shape.parameters(config);
        long state = PagedAdamW.stateBytes(settings, numbers);
        long device = Math.min(state, settings.optimizerBytesMax());
        return new Memory(8 * numbers, device, state - device, TrainingBuffers.keptLayers(config, settings, shape));
    }

    // ---- the recipe

    /** Begins an optimizer step; the last one must have ended. */
    public void begin(OptimizerStep step) {
        if (!stepDone()) {
            throw new IllegalStateException("step begun at stage %d of %d".formatted(cursor, stages.size()));
        }
        record = new StepRecord(step);
        stages = plan(step);
        cursor = 0;
    }

    private List<Stage> plan(OptimizerStep step) {
        List<Stage> plan = new ArrayList<>();
        plan.add(new Stage("zero gradients", 0, this::zeroGradients));
        for (int b = 0; b < step.unrelated().size(); b++) {
            divergence(plan, step.unrelated().get(b));
        }
        for (int b = 0; b < step.batches().size(); b++) {
            MicroBatch batch = step.batches().get(b);
            long seed = step.seed() + b;
            if (step.objective().needsReference()) {
                scoredForward(plan, batch, seed, false, () -> record.reference(pass.scores()));
            }
            if (step.objective().needsScores()) {
                scoredForward(plan, batch, seed, true, () -> record.policy(pass.scores()));
            } else {
                plan.add(new Stage("load", 0, () -> pass.load(batch, seed, true)));
                pass.forward(plan, batch.tokens(), true);
            }
            plan.add(new Stage("weigh", 0, () -> pass.weigh(record.coefficients(batch))));
            pass.headBackward(plan, batch.tokens(), batch.targets());
            plan.add(new Stage("loss", 0, () -> record.losses(batch, pass.scores())));
            pass.backward(plan, batch.tokens());
        }
        plan.add(new Stage("norm", 0, this::gradientNorm));
        for (int page = 0; page < optimizer.pageCount(); page++) {
            int index = page;
            plan.add(new Stage("adamw", 20.0 * PagedAdamW.PAGE_ELEMENTS, () -> update(index)));
        }
        return plan;
    }

    private void scoredForward(List<Stage> plan, MicroBatch batch, long seed, boolean withAdapter, Runnable then) {
        plan.add(new Stage("load", 0, () -> pass.load(batch, seed, withAdapter)));
        pass.forward(plan, batch.tokens(), withAdapter);
        pass.score(plan, batch.targets());
        plan.add(new Stage("scores", 0, then));
    }

    private void divergence(List<Stage> plan, MicroBatch batch) {
        scoredForward(plan, batch, 0, false, () -> record.unrelatedReference(pass.scores()));
        scoredForward(plan, batch, 0, true, () -> record.unrelatedPolicy(pass.scores()));
    }

    private void zeroGradients() {
        for (LoraParameter parameter : parameters) {
            back.zero(parameter.gradientA());
            back.zero(parameter.gradientB());
        }
    }

    private void gradientNorm() {
        for (int i = 0; i < parameters.size(); i++) {
            back.sumOfSquares(squares, 2 * i, parameters.get(i).gradientA());
            back.sumOfSquares(squares, 2 * i + 1, parameters.get(i).gradientB());
        }
        Tensor host = HostRows.empty(DType.F32, squares.shape().axis(0));
        ops.readback(host, squares);
        double sum = 0;
        for (float square : HostRows.floats(host)) {
            sum += square;
        }
        record.gradientNorm(Math.sqrt(sum));
    }

    /** torch's clip_grad_norm_: factor max / (norm + 1e-6), at most 1. A step with a non-finite gradient changes nothing. */
    private void update(int page) {
        double norm = record.gradientNorm();
        if (!Double.isFinite(norm) || !Double.isFinite(record.loss())) {
            return;
        }
        double max = settings.maxGradNorm();
        float scale = max > 0 ? (float) Math.min(1, max / (norm + 1e-6)) : 1;
        if (page == 0) {
            optimizer.begin();
        }
        optimizer.update(
                page,
                new AdamStep(
                        (float) record.step().learningRate(),
                        settings.beta1(),
                        settings.beta2(),
                        settings.epsilon(),
                        settings.weightDecay(),
                        record.step().number(),
                        scale));
    }

    // ---- the cursor

    public boolean stepDone() {
        return cursor == stages.size();
    }

    /** Floating-point operations of the next stage. */
    public double nextOperations() {
        return stages.get(cursor).operations();
    }

    /** Name of the next stage. */
    public String nextName() {
        return stages.get(cursor).name();
    }

    /** Runs the next stage. */
    public void runStage() {
        stages.get(cursor).work().run();
        cursor++;
    }

    /** What the finished step did. */
    public StepResult result() {
        if (!stepDone() || record == null) {
            throw new IllegalStateException("stage %d of %d".formatted(cursor, stages.size()));
        }
        return record.result();
    }

    /** Gives up a step in the middle: parameters and optimizer state are as before it if no page was updated yet. */
    public void abandonStep() {
        stages = List.of();
        cursor = 0;
    }

    /** Stages of the current step, for progress. */
    public int stageCount() {
        return stages.size();
    }

    public int stageIndex() {
        return cursor;
    }

    // ---- evaluation

    /**
     * Begins an evaluation: forward and losses only, through the same cursor; {@link #evaluation} tells the outcome.
     *
     * @param withAdapter false measures the base model
     */
    public void beginEvaluation(List<MicroBatch> batches, boolean withAdapter) {
        beginEvaluation(new Objective.Supervised(), batches, withAdapter);
    }

    /** The same for the loss of any objective; KTO's divergence counts as zero. */
    public void beginEvaluation(Objective objective, List<MicroBatch> batches, boolean withAdapter) {
        if (!stepDone()) {
            throw new IllegalStateException("step begun at stage %d of %d".formatted(cursor, stages.size()));
        }
        record = new StepRecord(new OptimizerStep(objective, batches, List.of(), 0, 0, 0));
        List<Stage> plan = new ArrayList<>();
        for (MicroBatch batch : batches) {
            if (objective.needsReference()) {
                measure(plan, batch, false, () -> record.reference(pass.scores()));
            }
            measure(plan, batch, withAdapter, () -> {
                if (objective.needsScores()) {
                    record.policy(pass.scores());
                    record.coefficients(batch);
                }
                record.losses(batch, pass.scores());
            });
        }
        stages = plan;
        cursor = 0;
    }

    private void measure(List<Stage> plan, MicroBatch batch, boolean withAdapter, Runnable then) {
        plan.add(new Stage("load", 0, () -> pass.load(batch, 0, false)));
        pass.forward(plan, batch.tokens(), withAdapter);
        pass.score(plan, batch.targets());
        plan.add(new Stage("scores", 0, then));
    }

    // ---- state

    /** The parameters, in the order given. */
    public List<LoraParameter> parameters() {
        return parameters;
    }

    /** Optimizer state on the host, in page order. */
    public List<Tensor> optimizerState() {
        return optimizer.snapshot();
    }

    /** Takes back what {@link #optimizerState()} gave. */
    public void restoreOptimizer(List<Tensor> state) {
        optimizer.restore(state);
    }

    /** Optimizer pages moved between host and device so far. */
    public long optimizerPageMoves() {
        return optimizer.pageMoves();
    }

    /** Optimizer pages that don't fit the device budget. */
    public int optimizerPagesStreamed() {
        return optimizer.streamedPages();
    }

    @Override
    public void close() {
        optimizer.close();
    }

    static double sum(double[] values) {
        return Arrays.stream(values).sum();
    }
}
