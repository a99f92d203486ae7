package dev.nightshift.train.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Messages as OpenAI's data sets hold them, checked by the rules of its cookbook and of its API. */
final class MessageRows {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Set<String> ROLES = Set.of("system", "developer", "user", "assistant", "tool", "function");
    private static final Set<String> KEYS = Set.of(
            "role",
            "content",
            "name",
            "weight",
            "function_call",
            "tool_calls",
            "tool_call_id",
            "refusal",
            "reasoning_content",
            "reasoning",
            "thinking");

    private MessageRows() {}

    /** A whole conversation; loss on the assistant's messages, but for those of weight 0. */
    static Example.Dialogue dialogue(JsonNode messages, JsonNode tools, String at) throws RowFault {
        return dialogue(messages(messages, at), tools, at);
    }

    static Example.Dialogue dialogue(List<Map<String, Object>> messages, JsonNode tools, String at) throws RowFault {
        float[] weights = new float[messages.size()];
        boolean any = false;
        for (int i = 0; i < weights.length; i++) {
            Map<String, Object> message = messages.get(i);
            Object weight = message.remove("weight");
            if (message.get("role").equals("assistant")) {
                weights[i] = weight == null ? 1 : ((Number) weight).floatValue();
                any |= weights[i] > 0;
            }
        }
        if (!messages.getLast().get("role").equals("assistant")) {
            throw new RowFault("%s: the last message is of role %s; it must be the assistant's"
                    .formatted(at, messages.getLast().get("role")));
        }
        if (!any) {
            throw new RowFault(at + ": all of the assistant's messages have weight 0");
        }
        return new Example.Dialogue(messages, tools(tools), weights);
    }

    /** A conversation and the answer to it, on which alone is loss. */
    static Example.Dialogue answer(
            List<Map<String, Object>> prompt, List<Map<String, Object>> output, JsonNode tools, String at)
            throws RowFault {
        for (Map<String, Object> message : output) {
            if (!Set.of("assistant", "tool").contains(message.get("role"))) {
                throw new RowFault(
                        "%s: a message of role %s; only assistant and tool can be".formatted(at, message.get("role")));
            }
        }
        List<Map<String, Object>> all = new ArrayList<>();
        for (Map<String, Object> message : prompt) {
            Map<String, Object> silent = new LinkedHashMap<>(message);
            silent.put("weight", 0);
            all.add(silent);
        }
        output.forEach(message -> all.add(new LinkedHashMap<>(message)));
        return dialogue(all, tools, at);
    }

    static List<Map<String, Object>> messages(JsonNode list, String at) throws RowFault {
        if (!list.isArray()) {
            throw new RowFault(at + ": a list of messages is expected");
        }
        if (list.isEmpty()) {
            throw new RowFault(at + ": the list of messages is empty");
        }
        List<Map<String, Object>> messages = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            messages.add(message(list.get(i), at + "[" + i + "]"));
        }
        return messages;
    }

    private static Map<String, Object> message(JsonNode node, String at) throws RowFault {
        if (!node.isObject()) {
            throw new RowFault(at + ": a message is an object");
        }
        for (Map.Entry<String, JsonNode> field : node.properties()) {
            if (!KEYS.contains(field.getKey())) {
                throw new RowFault(at + ": unknown key '" + field.getKey() + "'");
            }
        }
        String role = node.path("role").asText("");
        if (!node.path("role").isTextual() || !ROLES.contains(role)) {
            throw new RowFault(at + ".role: '" + role + "' is none of assistant, developer, system, tool, user");
        }
        boolean assistant = role.equals("assistant");
        checkContent(node, assistant, at);
        checkWeight(node.get("weight"), assistant, at);
        @SuppressWarnings("unchecked")
        Map<String, Object> message = JSON.convertValue(node, LinkedHashMap.class);
        if (message.get("content") == null && message.get("refusal") instanceof String refusal) {
            message.put("content", refusal);
        }
        message.remove("refusal");
        Object call = message.remove("function_call");
        if (call != null) {
            message.put("tool_calls", List.of(Map.of("id", "call_0", "type", "function", "function", call)));
        }
        return message;
    }

    private static void checkContent(JsonNode node, boolean assistant, String at) throws RowFault {
        JsonNode content = node.path("content");
        boolean calls = node.hasNonNull("tool_calls") || node.hasNonNull("function_call") || node.hasNonNull("refusal");
        if (content.isMissingNode() || content.isNull()) {
            if (!assistant || !calls) {
                throw new RowFault(at + ".content: missing");
            }
        } else if (!content.isTextual() && !content.isArray()) {
            throw new RowFault(at + ".content: a string or a list of parts is expected, got " + content);
        }
        if (calls && !assistant) {
            throw new RowFault(at + ": only the assistant calls functions");
        }
    }

    private static void checkWeight(JsonNode weight, boolean assistant, String at) throws RowFault {
        if (weight == null || weight.isNull()) {
            return;
        }
        if (!assistant) {
            throw new RowFault(at + ".weight: only the assistant's messages can have one");
        }
        if (!weight.isNumber() || weight.doubleValue() != 0 && weight.doubleValue() != 1) {
            throw new RowFault(at + ".weight: must be 0 or 1, is " + weight);
        }
    }

    private static List<Object> tools(JsonNode tools) throws RowFault {
        if (tools == null || tools.isMissingNode() || tools.isNull() || tools.isEmpty()) {
            return null;
        }
        if (!tools.isArray()) {
            throw new RowFault("tools: a list is expected");
        }
        @SuppressWarnings("unchecked")
        List<Object> list = JSON.convertValue(tools, ArrayList.class);
        return list;
    }

    /** {@code tools} of a row, or its {@code functions} in today's form. */
    static JsonNode toolsOf(JsonNode row) throws RowFault {
        if (row.hasNonNull("tools") || !row.hasNonNull("functions")) {
            return row.path("tools");
        }
        if (!row.get("functions").isArray()) {
            throw new RowFault("functions: a list is expected");
        }
        List<Object> tools = new ArrayList<>();
        row.get("functions").forEach(function -> tools.add(Map.of("type", "function", "function", function)));
        return JSON.valueToTree(tools);
    }

    /** An object that a text holds, or null. */
    static JsonNode parse(String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            return null;
        }
    }
}
