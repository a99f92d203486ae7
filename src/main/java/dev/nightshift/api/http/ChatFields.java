package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.chat.ChatRequest;
import dev.nightshift.engine.SamplingParameters;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.ChatPrompt;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The body of {@code POST /v1/chat/completions}, field by field. */
final class ChatFields {
    private final Fields fields;
    private final RequestLimits limits;
    private final ModelFacts model;

    private ChatFields(Fields fields, RequestLimits limits, ModelFacts model) {
        this.fields = fields;
        this.limits = limits;
        this.model = model;
    }

    static ChatCall read(Fields fields, RequestLimits limits, ModelFacts model) {
        return new ChatFields(fields, limits, model).call();
    }

    private ChatCall call() {
        String name = fields.requiredString("model");
        StreamFields streaming = StreamFields.read(fields);
        ChatPrompt prompt = prompt(fields, limits);
        refuseOutputs();
        passOver();
        SamplingFields shared = new SamplingFields(fields, limits, model);
        shared.refuseAndAccept();
        boolean logprobs = fields.bool("logprobs", false);
        SamplingParameters sampling = shared.sampling(topLogprobs(logprobs));
        Optional<Integer> maxNewTokens = maxNewTokens();
        SamplingFields.checkMinTokens(sampling, maxNewTokens);
        boolean echo = fields.bool("echo", false);
        ChatRequest request = new ChatRequest(
                name,
                new ChatRequest.Messages(prompt),
                sampling,
                shared.seed().isPresent(),
                maxNewTokens,
                shared.stops(),
                fields.bool("include_stop_str_in_output", false),
                fields.bool("skip_special_tokens", true),
                shared.choices(1),
                shared.promptLogprobs(streaming.stream()),
                fields.string("cache_salt").orElse(""),
                Optional.empty());
        return new ChatCall(request, streaming, logprobs, TokenForm.read(fields), echo ? lastAnswer(prompt) : "");
    }

    private int topLogprobs(boolean logprobs) {
        Optional<Integer> top = fields.integer("top_logprobs", 0, limits.logprobs());
        if (top.isPresent() && top.get() > 0 && !logprobs) {
            throw ServingException.invalid("top_logprobs", "top_logprobs: only allowed when logprobs is true");
        }
        return logprobs ? top.orElse(0) : -1;
    }

    private Optional<Integer> maxNewTokens() {
        Optional<Integer> old = fields.integer("max_tokens", 1, Integer.MAX_VALUE);
        return fields.integer("max_completion_tokens", 1, Integer.MAX_VALUE).or(() -> old);
    }

    /** What the template sees; {@code /tokenize} reads the same fields. */
    static ChatPrompt prompt(Fields fields, RequestLimits limits) {
        List<Map<String, Object>> messages = MessageFields.read(fields, limits);
        boolean continueFinal = fields.bool("continue_final_message", false);
        Optional<Boolean> generationPrompt = fields.bool("add_generation_prompt");
        if (continueFinal && generationPrompt.orElse(false)) {
            throw ServingException.invalid(
                    "continue_final_message",
                    "continue_final_message: cannot be true together with add_generation_prompt");
        }
        fields.refuse("chat_template", "templates are not taken from requests; the server's setting names one");
        if (fields.bool("add_special_tokens", false)) {
            throw ServingException.invalid(
                    "add_special_tokens", "add_special_tokens: a chat template writes its special tokens itself");
        }
        return new ChatPrompt(
                messages,
                objects(fields, "tools"),
                objects(fields, "documents"),
                generationPrompt.orElse(!continueFinal),
                continueFinal,
                templateArguments(fields));
    }

    /** A list of objects; null if it is absent or empty. */
    private static List<Object> objects(Fields fields, String name) {
        return fields.<Object>list(name, (value, at) -> Json.plainObject(Fields.asObject(value, at)))
                .filter(list -> !list.isEmpty())
                .orElse(null);
    }

    private static Map<String, Object> templateArguments(Fields fields) {
        Map<String, Object> arguments = new LinkedHashMap<>();
        fields.string("reasoning_effort").ifPresent(effort -> {
            arguments.put("reasoning_effort", effort);
            if (effort.equals("none")) {
                // the switch that Qwen3's and its descendants' templates know
                arguments.put("enable_thinking", false);
            }
        });
        fields.object("chat_template_kwargs").ifPresent(kwargs -> arguments.putAll(Json.plainObject(kwargs)));
        return arguments;
    }

    private void refuseOutputs() {
        refuseTools(fields);
        fields.object("response_format").ifPresent(format -> {
            String type = new Fields(format, "response_format").requiredString("type");
            if (!type.equals("text")) {
                throw ServingException.invalid(
                        "response_format",
                        "response_format: type '" + type + "' is not supported by this server, only text");
            }
        });
        fields.list("modalities", Fields::asString).ifPresent(modalities -> {
            if (modalities.contains("audio")) {
                throw ServingException.invalid("modalities", "modalities: audio is not supported, only text");
            }
        });
        fields.refuse("audio", "not supported by this server");
        fields.refuse("web_search_options", "not supported by this server");
    }

    private static void refuseTools(Fields fields) {
        boolean tools = fields.array("tools").filter(list -> !list.isEmpty()).isPresent();
        if (tools) {
            throw ServingException.invalid("tools", "tools: not supported by this server");
        }
        fields.refuse("functions", "not supported by this server");
        for (String name : List.of("tool_choice", "function_call")) {
            Optional<JsonNode> choice = fields.value(name);
            if (choice.isPresent() && !choice.get().asText().equals("none")) {
                throw ServingException.invalid(name, name + ": only 'none' is allowed without tools");
            }
        }
        fields.bool("parallel_tool_calls");
    }

    private void passOver() {
        fields.object("metadata").ifPresent(ChatFields::checkMetadata);
        fields.string("user");
        fields.string("safety_identifier").ifPresent(id -> checkLength("safety_identifier", id, 64));
        fields.accept(
                "store",
                "service_tier",
                "prompt_cache_key",
                "prompt_cache_retention",
                "prompt_cache_options",
                "verbosity",
                "prediction",
                "moderation",
                "include_reasoning");
    }

    private static void checkMetadata(ObjectNode metadata) {
        if (metadata.size() > 16) {
            throw ServingException.invalid(
                    "metadata", "metadata: " + metadata.size() + " pairs, at most 16 are allowed");
        }
        metadata.properties().forEach(pair -> {
            String at = "metadata." + pair.getKey();
            checkLength("metadata", pair.getKey(), 64);
            checkLength(at, Fields.asString(pair.getValue(), at), 512);
        });
    }

    private static void checkLength(String at, String text, int max) {
        if (text.length() > max) {
            throw ServingException.invalid(
                    at, "%s: %d characters, at most %d are allowed".formatted(at, text.length(), max));
        }
    }

    /** Text of the last message if the new one continues its role. */
    private static String lastAnswer(ChatPrompt prompt) {
        Map<String, Object> last = prompt.messages().getLast();
        return "assistant".equals(last.get("role")) && last.get("content") instanceof String text ? text : "";
    }
}
