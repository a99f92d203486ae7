package dev.nightshift.api.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** {@code messages} of a chat as plain values; what they may hold is the same for all interfaces, and {@code chat} checks it. */
final class MessageFields {

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

    /** OpenAI's deprecated {@code function_call} is the only tool call of its message. */
    private static Map<String, Object> message(ObjectNode object, String path) {
        Map<String, Object> message = Json.plainObject(object);
        message.remove("function_call");
        JsonNode call = object.get("function_call");
        if (call != null && !call.isNull() && message.get("tool_calls") == null) {
            Map<String, Object> toolCall = new LinkedHashMap<>();
            toolCall.put("type", "function");
            toolCall.put("function", Json.plainObject(Fields.asObject(call, path + ".function_call")));
            message.put("tool_calls", List.of(toolCall));
        }
        return message;
    }
}
