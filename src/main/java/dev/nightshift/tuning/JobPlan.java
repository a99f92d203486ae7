package dev.nightshift.tuning;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.train.AdapterShape;
import dev.nightshift.train.LoraTrainer;
import dev.nightshift.train.Objective;
import dev.nightshift.train.Schedule;
import dev.nightshift.train.StageRows;
import dev.nightshift.train.TrainableModel;
import dev.nightshift.train.TrainerSettings;
import dev.nightshift.train.TrainingFolder;

/**
 * A job's numbers, all resolved; kept with the job, so that it goes on after a restart as it began, whatever the settings are
 * by then.
 *
 * @param learningRate peak
 * @param capacityTokens of a micro batch
 * @param arenaBytes memory borrowed from the key-value cache
 */
record JobPlan(
        long rows,
        int epochs,
        int batchSize,
        double learningRateMultiplier,
        double learningRate,
        double beta,
        int stepsPerEpoch,
        int steps,
        int warmupSteps,
        int checkpointEvery,
        int evaluateEvery,
        int sequenceMax,
        int capacityTokens,
        long activationBytes,
        long optimizerBytes,
        long arenaBytes,
        StageRows stageRows) {
    private static final double BETA = 0.1;
    private static final int CAPACITY_AUTO = 1024;
    private static final int CAPACITY_MIN = 64;
    private static final float EPSILON = 1e-8f;
    private static final float BETA1 = 0.9f;

    /** How a job's training fits into memory. */
    record Fit(
            int sequenceMax,
            int capacityTokens,
            long activationBytes,
            long optimizerBytes,
            long arenaBytes,
            StageRows stageRows) {}

    /**
     * Cuts the arena: the adapter with its gradients and the micro batch first, then optimizer state, then kept activations.
     * Where a sequence length was not asked for, it is halved until everything fits; optimizer state that finds no room is
     * paged.
     *
     * @param bytesMax of the arena
     */
    static Fit fit(TrainableModel model, JobSpec spec, AdapterShape shape, long bytesMax) {
        int limit = model.config().maxPositions();
        int asked = Math.min(limit, spec.options().sequenceMax().orElse(CAPACITY_AUTO));
        // a pair's two answers run through the model together
        int perSample = spec.method() == TuningMethod.SUPERVISED || spec.method() == TuningMethod.KTO ? 1 : 2;
        StageRows rows = StageRows.of(model.config());
        long state = 9 * shape.parameters(model.config()) + 65_536;
        for (int sequence = asked; ; sequence /= 2) {
            int capacity = Math.max(CAPACITY_MIN, sequence * perSample);
            for (long optimizer = state; optimizer >= state / 8; optimizer /= 2) {
                long needed = arenaBytes(model, spec, shape, capacity, 0, optimizer);
                if (needed <= bytesMax) {
                    long arena = Math.min(bytesMax, roomForAll(model, spec, shape, capacity, optimizer));
                    return new Fit(
                            sequence, capacity, Math.max(0, arena - needed), optimizer, Math.max(arena, needed), rows);
                }
            }
            if (spec.options().sequenceMax().isPresent() || sequence / 2 < CAPACITY_MIN) {
                throw new ServingException(
                        ErrorCode.INVALID_REQUEST,
                        "training at %d tokens and rank %d needs %,d bytes of the key-value cache, at most %,d may be lent"
                                .formatted(
                                        sequence,
                                        shape.rank(),
                                        arenaBytes(model, spec, shape, capacity, 0, state / 8),
                                        bytesMax));
            }
        }
    }

    private static long roomForAll(
            TrainableModel model, JobSpec spec, AdapterShape shape, int capacity, long optimizer) {
        return arenaBytes(model, spec, shape, capacity, Long.MAX_VALUE, optimizer);
    }

    private static long arenaBytes(
            TrainableModel model, JobSpec spec, AdapterShape shape, int capacity, long activations, long optimizer) {
        return LoraTrainer.arenaBytes(
                model.config(), settings(spec, capacity, activations, optimizer, StageRows.of(model.config())), shape);
    }

    private static TrainerSettings settings(
            JobSpec spec, int capacity, long activations, long optimizer, StageRows rows) {
        JobSpec.Options options = spec.options();
        return new TrainerSettings(
                capacity,
                rows.layer(),
                rows.head(),
                activations,
                (float) options.lora().dropout(),
                (float) options.lora().plusRatio(),
                (float) options.neftuneAlpha(),
                BETA1,
                (float) options.beta2(),
                EPSILON,
                (float) options.weightDecay(),
                (float) options.maxGradNorm(),
                options.optimizer(),
                optimizer);
    }

    Job.Numbers numbers() {
        return new Job.Numbers(epochs, batchSize, learningRateMultiplier, learningRate, beta, steps);
    }

    TrainerSettings settings(JobSpec spec) {
        return settings(spec, capacityTokens, activationBytes, optimizerBytes, stageRows);
    }

    /** Resolves what was left {@code auto}, by {@link AutoValues}. */
    static JobPlan of(JobSpec spec, Fit fit, long rows, long modelParameters) {
        JobSpec.Hyperparameters given = spec.hyperparameters();
        JobSpec.Options options = spec.options();
        int batch = (int) Math.min(rows, given.batchSize().orElse(AutoValues.batchSize(rows)));
        int epochs = given.epochs().orElse(AutoValues.epochs(rows));
        double multiplier = given.learningRateMultiplier().orElse(1);
        int stepsPerEpoch = Math.toIntExact(Math.ceilDiv(rows, (long) batch));
        int steps = Math.multiplyExact(stepsPerEpoch, epochs);
        double rate = options.learningRate().orElse(AutoValues.learningRate(modelParameters)) * multiplier;
        return new JobPlan(
                rows,
                epochs,
                batch,
                multiplier,
                rate,
                given.beta().orElse(BETA),
                stepsPerEpoch,
                steps,
                (int) Math.round(options.warmup() * steps),
                options.checkpointEvery() > 0 ? options.checkpointEvery() : stepsPerEpoch,
                options.evaluateEvery(),
                fit.sequenceMax(),
                fit.capacityTokens(),
                fit.activationBytes(),
                fit.optimizerBytes(),
                fit.arenaBytes(),
                fit.stageRows());
    }

    /** Learning rate over the job's steps; the first one is not wasted at a rate of zero. */
    double rate(JobSpec spec, int step) {
        Schedule schedule = new Schedule(spec.options().schedule(), learningRate, warmupSteps, steps);
        return step < warmupSteps ? learningRate * (step + 1) / (warmupSteps + 1) : schedule.rate(step);
    }

    Objective objective(JobSpec spec) {
        return switch (spec.method()) {
            case SUPERVISED -> new Objective.Supervised();
            case DPO -> new Objective.Dpo((float) beta);
            case ORPO -> new Objective.Orpo((float) beta);
            case KTO -> new Objective.Kto((float) beta, 1, 1);
        };
    }

    static AdapterShape shape(LoraSpec lora) {
        return new AdapterShape(
                lora.rank(), (float) lora.alpha(), lora.rsLora(), TrainingFolder.projections(lora.targets()));
    }
}
