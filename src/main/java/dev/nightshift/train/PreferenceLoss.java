package dev.nightshift.train;

import java.util.List;

/**
 * Preference losses of one micro batch from its samples' log-probabilities. {@code logp} is the weighted sum over a sample's
 * target tokens; the gradient of a token's negative log-likelihood is the returned coefficient times its weight.
 */
final class PreferenceLoss {
    /**
     * @param loss this micro batch's share of the step's loss
     * @param coefficients per sample: minus the derivative of the loss by {@code logp}
     */
    record Result(double loss, double[] coefficients) {}

    private PreferenceLoss() {}

    /**
     * @param reference per sample, without the adapter; null where the objective has none
     * @param units pairs (DPO, ORPO) or samples (KTO) of the whole step
     * @param divergence KTO's estimate, not differentiated
     */
    static Result of(
            Objective objective,
            List<Segment> segments,
            double[] policy,
            double[] reference,
            double units,
            double divergence) {
        return switch (objective) {
            case Objective.Supervised s -> throw new IllegalStateException("a supervised step has no preference loss");
            case Objective.Dpo dpo -> dpo(dpo.beta(), policy, reference, units);
            case Objective.Orpo orpo -> orpo(orpo.beta(), segments, policy, units);
            case Objective.Kto kto -> kto(kto, segments, policy, reference, units, divergence);
        };
    }

    /** KTO's divergence: mean over unrelated samples of policy minus reference, at least 0. */
    static double divergence(double[] policy, double[] reference) {
        double sum = 0;
        for (int i = 0; i < policy.length; i++) {
            sum += policy[i] - reference[i];
        }
        return policy.length == 0 ? 0 : Math.max(0, sum / policy.length);
    }

    private static Result dpo(double beta, double[] policy, double[] reference, double units) {
        double[] coefficients = new double[policy.length];
        double loss = 0;
        for (int i = 0; i + 1 < policy.length; i += 2) {
            double margin = beta * ((policy[i] - reference[i]) - (policy[i + 1] - reference[i + 1]));
            loss += softplus(-margin) / units;
            double slope = beta * sigmoid(-margin) / units;
            coefficients[i] = slope;
            coefficients[i + 1] = -slope;
        }
        return new Result(loss, coefficients);
    }

    /** {@code -a - beta * log sigmoid(log odds(a) - log odds(b))} over mean log-probabilities a, b. */
    private static Result orpo(double beta, List<Segment> segments, double[] policy, double units) {
        double[] coefficients = new double[policy.length];
        double loss = 0;
        for (int i = 0; i + 1 < policy.length; i += 2) {
            double chosenTokens = segments.get(i).targetWeight();
            double rejectedTokens = segments.get(i + 1).targetWeight();
            double a = policy[i] / chosenTokens;
            double b = policy[i + 1] / rejectedTokens;
            double margin = (a - b) - (Math.log(-Math.expm1(a)) - Math.log(-Math.expm1(b)));
            loss += (-a + beta * softplus(-margin)) / units;
            double slope = beta * sigmoid(-margin); // minus d loss / d margin; d margin / d a = 1 / (1 - e^a)
            coefficients[i] = (1 + slope / -Math.expm1(a)) / chosenTokens / units;
            coefficients[i + 1] = -slope / -Math.expm1(b) / rejectedTokens / units;
        }
        return new Result(loss, coefficients);
    }

    private static Result kto(
            Objective.Kto kto,
            List<Segment> segments,
            double[] policy,
            double[] reference,
            double units,
            double divergence) {
        double[] coefficients = new double[policy.length];
        double loss = 0;
        for (int i = 0; i < policy.length; i++) {
            boolean good = segments.get(i).role() == Segment.Role.DESIRABLE;
            double sign = good ? 1 : -1;
            double weight = (good ? kto.desirableWeight() : kto.undesirableWeight()) / units;
            double value = sigmoid(kto.beta() * sign * (policy[i] - reference[i] - divergence));
            loss += weight * (1 - value);
            coefficients[i] = weight * kto.beta() * sign * value * (1 - value);
        }
        return new Result(loss, coefficients);
    }

    private static double sigmoid(double x) {
        return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
    }

    private static double softplus(double x) {
        return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    }
}
