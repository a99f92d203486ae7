package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.model.RopeConfig;
import java.util.OptionalDouble;

/**
 * Rotary embedding of a {@code config.json}: {@code rope_theta} and {@code rope_scaling} (kind under {@code type} or
 * {@code rope_type}) of older checkpoints, {@code rope_parameters} of transformers 5. Defaults as {@code modeling_rope_utils.py}
 * of transformers 5.24.
 */
final class RopeReader {
    private static final double THETA = 10_000;
    private static final double YARN_BETA_FAST = 32;
    private static final double YARN_BETA_SLOW = 1;

    private final JsonNode config;
    private final JsonNode parameters;
    private final int maxPositions;

    private RopeReader(JsonNode config, int maxPositions) {
        this.config = config;
        this.parameters =
                Json.present(config, "rope_scaling") ? config.get("rope_scaling") : config.path("rope_parameters");
        this.maxPositions = maxPositions;
    }

    static RopeConfig read(JsonNode config, int maxPositions) {
        return new RopeReader(config, maxPositions).read();
    }

    private RopeConfig read() {
        double rotated = Json.number(parameters, "partial_rotary_factor")
                .orElse(Json.number(config, "partial_rotary_factor").orElse(1));
        if (rotated != 1) {
            throw ConfigReader.invalid("partial_rotary_factor %s is not supported; supported is 1".formatted(rotated));
        }
        double theta = Json.number(parameters, "rope_theta")
                .orElse(Json.number(config, "rope_theta").orElse(THETA));
        if (!(theta > 0)) {
            throw ConfigReader.invalid("rope_theta is %s, a positive number expected".formatted(theta));
        }
        return new RopeConfig(theta, scaling());
    }

    private RopeConfig.Scaling scaling() {
        String type =
                parameters.path("rope_type").asText(parameters.path("type").asText("default"));
        return switch (type) {
            case "default" -> new RopeConfig.None();
            case "linear" -> new RopeConfig.Linear(required("factor"));
            case "dynamic" -> new RopeConfig.Dynamic(required("factor"), maxPositions);
            case "llama3" ->
                new RopeConfig.Llama3(
                        required("factor"),
                        required("low_freq_factor"),
                        required("high_freq_factor"),
                        originalPositions());
            case "yarn" -> yarn();
            default ->
                throw ConfigReader.invalid(
                        "rope_type '%s' is not supported; supported are default, linear, dynamic, llama3, yarn"
                                .formatted(type));
        };
    }

    private RopeConfig.Yarn yarn() {
        int original = originalPositions();
        double factor = number("factor").orElse((double) maxPositions / original);
        double attentionFactor = number("attention_factor").orElseGet(() -> {
            double mscale = number("mscale").orElse(0);
            double mscaleAllDim = number("mscale_all_dim").orElse(0);
            return mscale != 0 && mscaleAllDim != 0
                    ? magnitude(factor, mscale) / magnitude(factor, mscaleAllDim)
                    : magnitude(factor, 1);
        });
        return new RopeConfig.Yarn(
                factor,
                original,
                nonZero("beta_fast", YARN_BETA_FAST),
                nonZero("beta_slow", YARN_BETA_SLOW),
                attentionFactor,
                parameters.path("truncate").asBoolean(true));
    }

    /** YaRN's temperature, section 3.4 of arXiv 2309.00071: 0.1 ln(factor) + 1. */
    private static double magnitude(double factor, double weight) {
        return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
    }

    private int originalPositions() {
        String key = "original_max_position_embeddings";
        return Json.integer(config, key).orElse(Json.integer(parameters, key).orElse(maxPositions));
    }

    private OptionalDouble number(String key) {
        return Json.number(parameters, key);
    }

    private double nonZero(String key, double absent) {
        double value = number(key).orElse(0);
        return value == 0 ? absent : value;
    }

    private double required(String key) {
        double value = number(key).orElse(Double.NaN);
        if (!(value > 0)) {
            throw ConfigReader.invalid(
                    "rope scaling's %s is %s, a positive number expected".formatted(key, parameters.path(key)));
        }
        return value;
    }
}
