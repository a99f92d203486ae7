package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * {@code messages} of a chat, checked, and turned into what a template reads: {@code developer} is the system role, deprecated
 * function calls are tool calls, and a call's {@code arguments} are an object.
 */
final class MessageFields {
    private static final Set<String> ROLES = Set.of("developer", "system", "user", "assistant", "tool", "function");

    private MessageFields() {}

    static List<Map<String, Object>> read(Fields fields, RequestLimits limits) {
        ArrayNode messages = fields.array("messages").orElseThrow(() -> fields.missing("messages"));
        String at = fields.pathOf("messages");
        if (messages.isEmpty()) {
            throw ServingException.invalid(at, at + ": at least one message is needed");
        }
        if (messages.size() > limits.messages()) {
            throw ServingException.invalid(
                    at, "%s: %d messages, at most %d are allowed".formatted(at, messages.size(), limits.messages()));
        }
        List<Map<String, Object>> read = new ArrayList<>(messages.size());
        for (int i = 0; i < messages.size(); i++) {
            String path = at + "[" + i + "]";
            read.add(message(Fields.asObject(messages.get(i), path), path));
        }
        return read;
    }

    private static Map<String, Object> message(ObjectNode object, String path) {
        Fields fields = new Fields(object, path);
        String role = fields.requiredString("role");
        if (!ROLES.contains(role)) {
            throw ServingException.invalid(
                    path + ".role",
                    path + ".role: '" + role + "' is none of developer, system, user, assistant, tool, function");
        }
        fields.string("name");
        if (role.equals("tool")) {
            fields.requiredString("tool_call_id");
        }
        Map<String, Object> message = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : object.properties()) {
            JsonNode value = field.getValue();
            switch (field.getKey()) {
                case "role" -> message.put("role", templateRole(role));
                case "content" -> message.put("content", content(value, path + ".content"));
                case "tool_calls" -> putUnlessEmpty(message, "tool_calls", toolCalls(value, path + ".tool_calls"));
                case "function_call" -> putUnlessEmpty(message, "tool_calls", functionCall(value, path + ".function_call"));
                // both spellings are in use; templates read the longer one
                case "reasoning" -> message.putIfAbsent("reasoning_content", Json.plain(value));
                default -> message.put(field.getKey(), Json.plain(value));
            }
        }
        return message;
    }

    private static String templateRole(String role) {
        return switch (role) {
            case "developer" -> "system";
            case "function" -> "tool";
            default -> role;
        };
    }

    private static void putUnlessEmpty(Map<String, Object> message, String name, List<Object> value) {
        if (!value.isEmpty()) {
            message.put(name, value);
        }
    }

    /** A string, null, or a list of text parts. */
    private static Object content(JsonNode value, String path) {
        return switch (value) {
            case ArrayNode parts -> {
                List<Object> read = new ArrayList<>(parts.size());
                for (int i = 0; i < parts.size(); i++) {
                    read.add(part(parts.get(i), path + "[" + i + "]"));
                }
                yield read;
            }
            case JsonNode text when text.isTextual() || text.isNull() -> Json.plain(text);
            case JsonNode other -> throw Fields.wrongType(path, "a string, null or an array of parts", other);
        };
    }

    private static Map<String, Object> part(JsonNode value, String path) {
        if (value.isTextual()) {
            return Map.of("type", "text", "text", value.textValue());
        }
        Fields part = new Fields(Fields.asObject(value, path), path);
        String type = part.requiredString("type");
        return switch (type) {
            case "text", "input_text", "output_text" -> textPart(part.requiredString("text"));
            case "refusal" -> textPart(part.requiredString("refusal"));
            default ->
                throw ServingException.invalid(
                        path + ".type", path + ".type: '" + type + "' is not supported; this model reads text only");
        };
    }

    private static Map<String, Object> textPart(String text) {
        Map<String, Object> part = new LinkedHashMap<>();
        part.put("type", "text");
        part.put("text", text);
        return part;
    }

    private static List<Object> toolCalls(JsonNode value, String path) {
        if (value.isNull()) {
            return List.of();
        }
        ArrayNode calls = Fields.asArray(value, path);
        List<Object> read = new ArrayList<>(calls.size());
        for (int i = 0; i < calls.size(); i++) {
            String at = path + "[" + i + "]";
            ObjectNode call = Fields.asObject(calls.get(i), at);
            Fields fields = new Fields(call, at);
            String type = fields.string("type").orElse("function");
            if (!type.equals("function")) {
                throw ServingException.invalid(at + ".type", at + ".type: '" + type + "' is not supported, only function");
            }
            ObjectNode function = fields.object("function").orElseThrow(() -> fields.missing("function"));
            Map<String, Object> plain = Json.plainObject(call);
            plain.put("type", "function");
            plain.put("function", function(function, at + ".function"));
            read.add(plain);
        }
        return read;
    }

    private static List<Object> functionCall(JsonNode value, String path) {
        if (value.isNull()) {
            return List.of();
        }
        Map<String, Object> call = new LinkedHashMap<>();
        call.put("type", "function");
        call.put("function", function(Fields.asObject(value, path), path));
        return List.of(call);
    }

    private static Map<String, Object> function(ObjectNode object, String path) {
        Fields fields = new Fields(object, path);
        fields.requiredString("name");
        Map<String, Object> function = Json.plainObject(object);
        function.put("arguments", arguments(fields.value("arguments").orElse(null), path + ".arguments"));
        return function;
    }

    /** OpenAI sends a string that holds JSON, some clients the object itself. */
    private static Map<String, Object> arguments(JsonNode value, String path) {
        return switch (value) {
            case null -> Map.of();
            case ObjectNode object -> Json.plainObject(object);
            case JsonNode text when text.isTextual() && text.textValue().isBlank() -> Map.of();
            case JsonNode text when text.isTextual() -> parsedArguments(text.textValue(), path);
            case JsonNode other -> throw Fields.wrongType(path, "a string that holds a JSON object", other);
        };
    }

    private static Map<String, Object> parsedArguments(String text, String path) {
        try {
            return Json.plainObject(Json.parseObject(text.getBytes(StandardCharsets.UTF_8)));
        } catch (ServingException e) {
            throw new ServingException(
                            ErrorCode.INVALID_REQUEST, path + ": not a JSON object in a string: " + e.getMessage(), e)
                    .withParam(path);
        }
    }
}
