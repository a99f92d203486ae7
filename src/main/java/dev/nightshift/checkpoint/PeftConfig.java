package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * {@code adapter_config.json} of a PEFT LoRA adapter. A key that would change the result and is not supported is refused by
 * name.
 *
 * @param targets module names, matched as whole last parts of a full name; empty if {@code targetPattern} or all-linear
 * @param targetPattern matched against the full name, or null
 * @param allLinear every linear but the head
 * @param layers layers_to_transform, or empty for all
 */
public record PeftConfig(
        int rank,
        double alpha,
        boolean rsLora,
        boolean dora,
        Set<String> targets,
        Pattern targetPattern,
        boolean allLinear,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        Set<Integer> layers,
        Set<String> modulesToSave,
        String base) {
    public static final int RANK_MAX = 256;

    /** Keys that change what the adapter computes, and the values that mean nothing is changed. */
    private static final Map<String, Set<String>> REFUSED = refused();

    private static final Set<String> CHANGES_BASE = Set.of("pissa", "olora", "corda", "loftq", "lora_ga");

    private static Map<String, Set<String>> refused() {
        Map<String, Set<String>> keys = new LinkedHashMap<>();
        for (String key : List.of(
                "alora_invocation_tokens",
                "arrow_config",
                "exclude_modules",
                "kasa_config",
                "layer_replication",
                "megatron_config",
                "monteclora_config",
                "target_parameters",
                "trainable_token_indices",
                "use_bdlora",
                "velora_config")) {
            keys.put(key, Set.of("null", "[]", "{}", "false"));
        }
        for (String key : List.of("fan_in_fan_out", "lora_bias", "use_qalora", "ensure_weight_tying")) {
            keys.put(key, Set.of("null", "false"));
        }
        keys.put("bias", Set.of("null", "\"none\""));
        return keys;
    }

    /** Reads the file's content; {@link ServingException} INVALID_REQUEST names the key that is wrong. */
    public static PeftConfig parse(byte[] content) {
        JsonNode json = Json.object("adapter_config.json", content);
        String type = json.path("peft_type").asText();
        if (!type.equals("LORA")) {
            throw bad("peft_type", json.path("peft_type"), "LORA is supported");
        }
        REFUSED.forEach((key, harmless) -> {
            JsonNode value = json.path(key);
            if (!value.isMissingNode() && !harmless.contains(value.toString())) {
                throw bad(key, value, "this is not supported");
            }
        });
        JsonNode pattern = json.path("layers_pattern");
        if (pattern.isTextual() && !pattern.asText().equals("layers")) {
            throw bad("layers_pattern", pattern, "the base model's layers stand in 'layers'");
        }
        JsonNode init = json.path("init_lora_weights");
        if (init.isTextual() && CHANGES_BASE.stream().anyMatch(init.asText().toLowerCase()::startsWith)) {
            throw bad("init_lora_weights", init, "it needs a changed base model");
        }
        int rank = json.path("r").isIntegralNumber() ? json.path("r").intValue() : 0;
        checkRank("r", rank, json.path("r"));
        if (!json.path("lora_alpha").isNumber()) {
            throw bad("lora_alpha", json.path("lora_alpha"), "a number is expected");
        }
        JsonNode targets = json.path("target_modules");
        boolean allLinear = targets.isTextual() && targets.asText().equals("all-linear");
        return new PeftConfig(
                rank,
                json.path("lora_alpha").doubleValue(),
                json.path("use_rslora").asBoolean(false),
                json.path("use_dora").asBoolean(false),
                targets.isArray() ? names("target_modules", targets) : Set.of(),
                targets.isTextual() && !allLinear ? pattern("target_modules", targets.asText()) : null,
                allLinear,
                ranks(json.path("rank_pattern")),
                alphas(json.path("alpha_pattern")),
                layers(json.path("layers_to_transform")),
                json.path("modules_to_save").isArray()
                        ? names("modules_to_save", json.path("modules_to_save"))
                        : Set.of(),
                json.path("base_model_name_or_path").asText(""));
    }

    private static Set<String> names(String key, JsonNode list) {
        List<String> names = new ArrayList<>();
        for (JsonNode name : list) {
            if (!name.isTextual()) {
                throw bad(key, list, "a list of names is expected");
            }
            names.add(name.asText());
        }
        return Set.copyOf(names);
    }

    private static Map<String, Integer> ranks(JsonNode node) {
        Map<String, Integer> ranks = new LinkedHashMap<>();
        node.properties().forEach(entry -> {
            int rank = entry.getValue().isIntegralNumber() ? entry.getValue().intValue() : 0;
            checkRank("rank_pattern." + entry.getKey(), rank, entry.getValue());
            pattern("rank_pattern", entry.getKey());
            ranks.put(entry.getKey(), rank);
        });
        return ranks;
    }

    private static Map<String, Double> alphas(JsonNode node) {
        Map<String, Double> alphas = new LinkedHashMap<>();
        node.properties().forEach(entry -> {
            if (!entry.getValue().isNumber()) {
                throw bad("alpha_pattern." + entry.getKey(), entry.getValue(), "a number is expected");
            }
            pattern("alpha_pattern", entry.getKey());
            alphas.put(entry.getKey(), entry.getValue().doubleValue());
        });
        return alphas;
    }

    private static Set<Integer> layers(JsonNode node) {
        if (node.isIntegralNumber()) {
            return Set.of(node.intValue());
        }
        if (!node.isMissingNode() && !node.isNull() && !node.isArray()) {
            throw bad("layers_to_transform", node, "layer numbers are expected");
        }
        List<Integer> layers = new ArrayList<>();
        for (JsonNode layer : node) {
            if (!layer.isIntegralNumber()) {
                throw bad("layers_to_transform", node, "layer numbers are expected");
            }
            layers.add(layer.intValue());
        }
        return Set.copyOf(layers);
    }

    private static void checkRank(String key, int rank, JsonNode value) {
        if (rank < 1 || rank > RANK_MAX) {
            throw bad(key, value, "a rank from 1 to %d is expected".formatted(RANK_MAX));
        }
    }

    private static Pattern pattern(String key, String expression) {
        try {
            return Pattern.compile(expression);
        } catch (PatternSyntaxException e) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "adapter_config.json: %s '%s' is no regular expression: %s"
                            .formatted(key, expression, e.getDescription()));
        }
    }

    private static ServingException bad(String key, JsonNode value, String why) {
        String shown = value.isMissingNode() ? "absent" : value.toString();
        return new ServingException(
                ErrorCode.INVALID_REQUEST, "adapter_config.json: %s is %s; %s".formatted(key, shown, why));
    }

    /** Whether this adapter means to change a module, by its full name ({@code model.layers.0.mlp.up_proj}). */
    public boolean targets(String module, int layer) {
        if (layer >= 0 && !layers.isEmpty() && !layers.contains(layer)) {
            return false;
        }
        if (allLinear) {
            return layer >= 0;
        }
        if (targetPattern != null) {
            return targetPattern.matcher(module).matches();
        }
        return targets.stream().anyMatch(name -> module.equals(name) || module.endsWith("." + name));
    }

    /** Rank of a module: the first pattern that matches the end of its name, else the common one. */
    public int rank(String module) {
        return matching(rankPattern, module, rank);
    }

    /** Factor on B A x of a module. */
    public float scale(String module) {
        double own = matching(alphaPattern, module, alpha);
        int r = rank(module);
        return (float) (rsLora ? own / Math.sqrt(r) : own / r);
    }

    private static <T> T matching(Map<String, T> patterns, String module, T otherwise) {
        for (Map.Entry<String, T> entry : patterns.entrySet()) {
            if (Pattern.matches("(.*\\.)?(" + entry.getKey() + ")", module)) {
                return entry.getValue();
            }
        }
        return otherwise;
    }
}
