package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/** The fields that chat and completions share: how tokens are chosen, and where an answer ends. */
final class SamplingFields {
    private final Fields fields;
    private final RequestLimits limits;
    private final ModelFacts model;

    SamplingFields(Fields fields, RequestLimits limits, ModelFacts model) {
        this.fields = fields;
        this.limits = limits;
        this.model = model;
    }

    /** @param topLogprobs as {@link SamplingParameters#topLogprobs()}, which each endpoint spells in its own way */
    SamplingParameters sampling(int topLogprobs) {
        SamplingParameters absent = model.defaults();
        return new SamplingParameters(
                fields.number("temperature", 0, 2).orElse(absent.temperature()),
                fields.integer("top_k", -1, Integer.MAX_VALUE)
                        .map(k -> Math.max(k, 0))
                        .orElse(absent.topK()),
                topP().orElse(absent.topP()),
                fields.number("min_p", 0, 1).orElse(absent.minP()),
                repetitionPenalty().orElse(absent.repetitionPenalty()),
                fields.number("presence_penalty", -2, 2).orElse(absent.presencePenalty()),
                fields.number("frequency_penalty", -2, 2).orElse(absent.frequencyPenalty()),
                seed().orElseGet(() -> ThreadLocalRandom.current().nextLong()),
                logitBias(),
                stopIds(),
                fields.integer("min_tokens", 0, model.contextMax()).orElse(0),
                fields.bool("ignore_eos", false),
                topLogprobs);
    }

    Optional<Long> seed() {
        return fields.whole("seed", Long.MIN_VALUE, Long.MAX_VALUE);
    }

    private Optional<Float> topP() {
        return fields.number("top_p", 0, 1).map(p -> positive("top_p", p));
    }

    private Optional<Float> repetitionPenalty() {
        return fields.number("repetition_penalty", 0, 100).map(p -> positive("repetition_penalty", p));
    }

    private float positive(String name, float value) {
        if (!(value > 0)) {
            throw ServingException.invalid(fields.pathOf(name), name + ": " + value + " is not greater than 0");
        }
        return value;
    }

    private Map<Integer, Float> logitBias() {
        Map<Integer, Float> biases = new LinkedHashMap<>();
        fields.object("logit_bias").ifPresent(object -> {
            if (object.size() > limits.logitBias()) {
                throw ServingException.invalid(
                        "logit_bias",
                        "logit_bias: %d entries, at most %d are allowed".formatted(object.size(), limits.logitBias()));
            }
            object.properties()
                    .forEach(bias -> biases.put(
                            biasedToken(bias.getKey()),
                            Fields.asNumber(bias.getValue(), "logit_bias." + bias.getKey(), -100, 100)));
        });
        return biases;
    }

    private int biasedToken(String key) {
        long id;
        try {
            id = Long.parseLong(key);
        } catch (NumberFormatException e) {
            throw ServingException.invalid("logit_bias", "logit_bias: '" + key + "' is not a token id");
        }
        if (id < 0 || id >= model.vocabSize()) {
            throw ServingException.invalid(
                    "logit_bias",
                    "logit_bias: token id %d is not between 0 and %d".formatted(id, model.vocabSize() - 1));
        }
        return (int) id;
    }

    private List<Integer> stopIds() {
        List<Integer> ids = fields.list("stop_token_ids", this::tokenId).orElse(List.of());
        if (ids.size() > limits.stops()) {
            throw ServingException.invalid(
                    "stop_token_ids",
                    "stop_token_ids: %d ids, at most %d are allowed".formatted(ids.size(), limits.stops()));
        }
        return ids;
    }

    int tokenId(JsonNode value, String at) {
        return (int) Fields.asWhole(value, at, 0, model.vocabSize() - 1L);
    }

    /** {@code stop}: a string, or a list of them. */
    List<String> stops() {
        JsonNode stop = fields.value("stop").orElse(null);
        List<String> stops = new ArrayList<>();
        switch (stop) {
            case null -> {}
            case ArrayNode several -> {
                for (int i = 0; i < several.size(); i++) {
                    stops.add(Fields.asString(several.get(i), "stop[" + i + "]"));
                }
            }
            case JsonNode one when one.isTextual() -> stops.add(one.textValue());
            case JsonNode other -> throw Fields.wrongType("stop", "a string or an array of strings", other);
        }
        if (stops.size() > limits.stops()) {
            throw ServingException.invalid(
                    "stop", "stop: %d strings, at most %d are allowed".formatted(stops.size(), limits.stops()));
        }
        for (String text : stops) {
            if (text.isEmpty()) {
                throw ServingException.invalid("stop", "stop: an empty string would end every answer at once");
            }
            if (text.length() > limits.stopLength()) {
                throw ServingException.invalid(
                        "stop",
                        "stop: a string of %d characters, at most %d are allowed"
                                .formatted(text.length(), limits.stopLength()));
            }
        }
        return stops;
    }

    int choices(int prompts) {
        int n = fields.integer("n", 1, limits.choices()).orElse(1);
        if ((long) n * prompts > limits.sequences()) {
            throw ServingException.invalid(
                    prompts == 1 ? "n" : "prompt",
                    "%d prompts with n = %d are %d sequences; this server runs and queues at most %d"
                            .formatted(prompts, n, (long) n * prompts, limits.sequences()));
        }
        return n;
    }

    /** {@code prompt_logprobs} of vLLM; -1 = not asked for. */
    int promptLogprobs(boolean stream) {
        int top = fields.integer("prompt_logprobs", -1, limits.logprobs()).orElse(-1);
        if (top >= 0 && stream) {
            throw ServingException.invalid("prompt_logprobs", "prompt_logprobs: not available with stream");
        }
        return top;
    }

    /** Checks {@code min_tokens} against the answer's length, once both are known. */
    static void checkMinTokens(SamplingParameters sampling, Optional<Integer> maxNewTokens) {
        maxNewTokens.ifPresent(max -> {
            if (sampling.minTokens() > max) {
                throw ServingException.invalid(
                        "min_tokens",
                        "min_tokens: %d is more than the %d tokens that the answer may have"
                                .formatted(sampling.minTokens(), max));
            }
        });
    }

    /** Fields that change the text and that this server does not have, and those it may pass over. */
    void refuseAndAccept() {
        for (String name : List.of(
                "allowed_token_ids",
                "bad_words",
                "structured_outputs",
                "guided_json",
                "guided_regex",
                "guided_choice",
                "guided_grammar",
                "truncate_prompt_tokens",
                "logits_processors")) {
            fields.refuse(name, "not supported by this server");
        }
        if (fields.bool("use_beam_search", false)) {
            throw ServingException.invalid("use_beam_search", "use_beam_search: not supported by this server");
        }
        fields.accept("length_penalty", "spaces_between_special_tokens", "priority", "request_id", "user");
    }
}
