package dev.nightshift.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * {@code adapter_config.json} of a PEFT LoRA adapter. A key that would change the result and is not supported is refused by
 * name.
 *
 * @param targets module names, matched as whole last parts of a full name; empty if {@code targetPattern} or all-linear. A full
 *     name counts whatever {@code layers} says, as in PEFT
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
        ModulePattern targetPattern,
        boolean allLinear,
        Map<ModulePattern, Integer> rankPattern,
        Map<ModulePattern, Double> alphaPattern,
        Set<Integer> layers,
        Set<String> modulesToSave,
        String base) {
    public static final int RANK_MAX = 256;

    /** What any key may say: nothing. */
    private static final Set<String> NOTHING = Set.of("null", "[]", "{}", "false");

    /** Keys that change what the adapter computes, and the values that mean nothing is changed. */
    private static final Map<String, Set<String>> REFUSED = refused();

    /** Keys that are read, or that mean nothing to a trained adapter. */
    private static final Set<String> KNOWN = Set.of(
            "alpha_pattern",
            "auto_mapping",
            "base_model_name_or_path",
            "corda_config",
            "eva_config",
            "inference_mode",
            "init_lora_weights",
            "layers_pattern",
            "layers_to_transform",
            "loftq_config",
            "lora_alpha",
            "lora_dropout",
            "lora_ga_config",
            "megatron_core",
            "modules_to_save",
            "peft_type",
            "peft_version",
            "qalora_group_size",
            "r",
            "rank_pattern",
            "revision",
            "runtime_config",
            "target_modules",
            "task_type",
            "use_dora",
            "use_rslora");

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
            keys.put(key, NOTHING);
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
        refuseUnsupported(json);
        int rank = json.path("r").isIntegralNumber() ? json.path("r").intValue() : 0;
        checkRank("r", rank, json.path("r"));
        JsonNode targets = json.path("target_modules");
        boolean allLinear = targets.isTextual() && targets.asText().equals("all-linear");
        ModulePattern.Looks looks = new ModulePattern.Looks();
        return new PeftConfig(
                rank,
                alpha("lora_alpha", json.path("lora_alpha")),
                flag(json, "use_rslora"),
                flag(json, "use_dora"),
                targets.isArray() ? names("target_modules", targets) : Set.of(),
                targets.isTextual() && !allLinear
                        ? ModulePattern.whole("target_modules", targets.asText(), looks)
                        : null,
                allLinear,
                ranks(json.path("rank_pattern"), looks),
                alphas(json.path("alpha_pattern"), looks),
                layers(json.path("layers_to_transform")),
                json.path("modules_to_save").isArray()
                        ? names("modules_to_save", json.path("modules_to_save"))
                        : Set.of(),
                json.path("base_model_name_or_path").asText(""));
    }

    private static void refuseUnsupported(JsonNode json) {
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
        json.properties().forEach(entry -> {
            String key = entry.getKey();
            boolean known = KNOWN.contains(key) || REFUSED.containsKey(key);
            if (!known && !NOTHING.contains(entry.getValue().toString())) {
                throw bad(key, entry.getValue(), "this key is not known, so what it changes is not either");
            }
        });
        JsonNode pattern = json.path("layers_pattern");
        if (!NOTHING.contains(pattern.toString())
                && !pattern.isMissingNode()
                && !Set.of("\"layers\"", "[\"layers\"]").contains(pattern.toString())) {
            throw bad("layers_pattern", pattern, "the base model's layers stand in 'layers'");
        }
        JsonNode init = json.path("init_lora_weights");
        if (init.isTextual() && CHANGES_BASE.stream().anyMatch(init.asText().toLowerCase()::startsWith)) {
            throw bad("init_lora_weights", init, "it needs a changed base model");
        }
    }

    private static boolean flag(JsonNode json, String key) {
        JsonNode value = json.path(key);
        if (!value.isMissingNode() && !value.isNull() && !value.isBoolean()) {
            throw bad(key, value, "true or false is expected");
        }
        return value.asBoolean(false);
    }

    private static double alpha(String key, JsonNode value) {
        if (!value.isNumber() || !Float.isFinite(value.floatValue())) {
            throw bad(key, value, "a number is expected");
        }
        return value.doubleValue();
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

    private static Map<ModulePattern, Integer> ranks(JsonNode node, ModulePattern.Looks looks) {
        Map<ModulePattern, Integer> ranks = new LinkedHashMap<>();
        node.properties().forEach(entry -> {
            int rank = entry.getValue().isIntegralNumber() ? entry.getValue().intValue() : 0;
            checkRank("rank_pattern." + entry.getKey(), rank, entry.getValue());
            ranks.put(ModulePattern.ending("rank_pattern", entry.getKey(), looks), rank);
        });
        return ranks;
    }

    private static Map<ModulePattern, Double> alphas(JsonNode node, ModulePattern.Looks looks) {
        Map<ModulePattern, Double> alphas = new LinkedHashMap<>();
        node.properties().forEach(entry -> {
            double alpha = alpha("alpha_pattern." + entry.getKey(), entry.getValue());
            alphas.put(ModulePattern.ending("alpha_pattern", entry.getKey(), looks), alpha);
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

    private static ServingException bad(String key, JsonNode value, String why) {
        String shown = value.isMissingNode() ? "absent" : value.toString();
        return new ServingException(
                ErrorCode.INVALID_REQUEST, "adapter_config.json: %s is %s; %s".formatted(key, shown, why));
    }

    /** Whether this adapter means to change a module, by its full name ({@code model.layers.0.mlp.up_proj}). */
    public boolean targets(String module, int layer) {
        if (targets.contains(module)) {
            return true;
        }
        if (layer >= 0 && !layers.isEmpty() && !layers.contains(layer)) {
            return false;
        }
        if (allLinear) {
            return layer >= 0;
        }
        if (targetPattern != null) {
            return targetPattern.matches(module);
        }
        return targets.stream().anyMatch(name -> module.endsWith("." + name));
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

    private static <T> T matching(Map<ModulePattern, T> patterns, String module, T otherwise) {
        for (Map.Entry<ModulePattern, T> entry : patterns.entrySet()) {
            if (entry.getKey().matches(module)) {
                return entry.getValue();
            }
        }
        return otherwise;
    }
}
