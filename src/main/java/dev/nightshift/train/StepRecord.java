package dev.nightshift.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What a running step has found out so far: log-probabilities, losses, the gradient's norm. */
final class StepRecord {
    private final OptimizerStep step;
    private final double units;
    private double[] reference;
    private double[] policy;
    private final List<Double> unrelatedReference = new ArrayList<>();
    private final List<Double> unrelatedPolicy = new ArrayList<>();
    private final List<StepResult.SampleScore> samples = new ArrayList<>();
    private double loss;
    private long correct;
    private long targets;
    private double gradientNorm;

    StepRecord(OptimizerStep step) {
        this.step = step;
        this.units = step.units();
    }

    OptimizerStep step() {
        return step;
    }

    void reference(MicroBatchPass.Scores scores) {
        reference = logProbabilities(scores);
    }

    void policy(MicroBatchPass.Scores scores) {
        policy = logProbabilities(scores);
    }

    void unrelatedReference(MicroBatchPass.Scores scores) {
        Arrays.stream(logProbabilities(scores)).forEach(unrelatedReference::add);
    }

    void unrelatedPolicy(MicroBatchPass.Scores scores) {
        Arrays.stream(logProbabilities(scores)).forEach(unrelatedPolicy::add);
    }

    private static double[] logProbabilities(MicroBatchPass.Scores scores) {
        return Arrays.stream(scores.weightedLosses()).map(value -> -value).toArray();
    }

    private double divergence() {
        return PreferenceLoss.divergence(
                unrelatedPolicy.stream().mapToDouble(Double::doubleValue).toArray(),
                unrelatedReference.stream().mapToDouble(Double::doubleValue).toArray());
    }

    /** Gradient coefficient of each sample's negative log-likelihood. */
    double[] coefficients(MicroBatch batch) {
        int count = batch.segments().size();
        if (!step.objective().needsScores()) {
            double[] even = new double[count];
            Arrays.fill(even, 1 / units);
            return even;
        }
        PreferenceLoss.Result result =
                PreferenceLoss.of(step.objective(), batch.segments(), policy, reference, units, divergence());
        loss += result.loss();
        for (int i = 0; i < count; i++) {
            double base = reference == null ? Double.NaN : reference[i];
            samples.add(new StepResult.SampleScore(batch.segments().get(i).role(), policy[i], base));
        }
        return result.coefficients();
    }

    /** Counts the head's losses; a supervised step's loss comes from here. */
    void losses(MicroBatch batch, MicroBatchPass.Scores scores) {
        correct += scores.correct();
        targets += scores.targets();
        if (!step.objective().needsScores()) {
            loss += LoraTrainer.sum(scores.weightedLosses()) / units;
        }
    }

    void gradientNorm(double norm) {
        gradientNorm = norm;
    }

    double gradientNorm() {
        return gradientNorm;
    }

    double loss() {
        return loss;
    }

    StepResult result() {
        long tokens = step.batches().stream().mapToLong(MicroBatch::tokens).sum();
        double accuracy = step.objective().needsScores() || targets == 0 ? Double.NaN : (double) correct / targets;
        return new StepResult(
                loss,
                targets,
                tokens,
                accuracy,
                gradientNorm,
                step.learningRate(),
                step.unrelated().isEmpty() ? 0 : divergence(),
                samples);
    }
}
