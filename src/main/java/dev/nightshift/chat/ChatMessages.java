package dev.nightshift.chat;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.nightshift.failure.ServingException;
import dev.nightshift.template.ChatPrompt;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Messages as clients may send them, made what templates read. The same for every interface, and without effect on what is
 * in order already: absent content is an empty string, text parts are one string where the template can't take parts,
 * {@code developer} is the system role, the arguments of a tool call are an object, empty lists of tools are none. Keys that
 * no client of ours may use to reach a template are left out.
 */
final class ChatMessages {
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final TypeReference<LinkedHashMap<String, Object>> OBJECT = new TypeReference<>() {};

    private final Predicate<String> partsAllowed;

    /** @param partsAllowed whether the template takes content of this role as a list of parts; many do for some roles only */
    ChatMessages(Predicate<String> partsAllowed) {
        this.partsAllowed = partsAllowed;
    }

    ChatPrompt normalise(ChatPrompt prompt) {
        if (prompt.messages().isEmpty()) {
            throw ServingException.invalid("messages", "messages: at least one message is needed");
        }
        if (prompt.addGenerationPrompt() && prompt.continueFinalMessage()) {
            throw ServingException.invalid(
                    "continue_final_message",
                    "continue_final_message: cannot be true together with add_generation_prompt");
        }
        List<Map<String, Object>> messages = new ArrayList<>(prompt.messages().size());
        for (int i = 0; i < prompt.messages().size(); i++) {
            messages.add(message(prompt.messages().get(i), "messages[" + i + "]"));
        }
        return new ChatPrompt(
                messages,
                absentIfEmpty(prompt.tools()),
                absentIfEmpty(prompt.documents()),
                prompt.addGenerationPrompt(),
                prompt.continueFinalMessage(),
                prompt.templateArguments());
    }

    private static List<Object> absentIfEmpty(List<Object> list) {
        return list == null || list.isEmpty() ? null : list;
    }

    private Map<String, Object> message(Map<String, Object> given, String path) {
        Map<String, Object> message = new LinkedHashMap<>();
        String role = role(given.get("role"), path + ".role");
        if (role.equals("tool")
                && !(given.get("tool_call_id") instanceof String)
                && !"function".equals(given.get("role"))) {
            throw ServingException.invalid(
                    path + ".tool_call_id", path + ".tool_call_id: a message of role tool needs it");
        }
        // the client's order of keys is kept, since templates may print a message as it is
        for (Map.Entry<String, Object> field : given.entrySet()) {
            Object value = field.getValue();
            switch (field.getKey()) {
                case "role" -> message.put("role", role);
                case "content" -> message.put("content", content(value, role, path + ".content"));
                case "name", "tool_call_id" -> putString(message, field.getKey(), value, path);
                // both spellings are in use; templates read the longer one
                case "reasoning_content", "reasoning" -> {
                    if (!(message.get("reasoning_content") instanceof String)) {
                        putString(message, "reasoning_content", value, path);
                    }
                }
                case "tool_calls" -> {
                    List<Object> calls = toolCalls(value, path + ".tool_calls");
                    if (!calls.isEmpty()) {
                        message.put("tool_calls", calls);
                    }
                }
                default -> {}
            }
        }
        message.putIfAbsent("content", "");
        return message;
    }

    private static void putString(Map<String, Object> message, String key, Object value, String path) {
        if (value != null) {
            message.put(key, string(value, path + "." + key));
        }
    }

    private static String role(Object value, String path) {
        String role = value instanceof String text ? text : "";
        return switch (role) {
            case "developer" -> "system";
            case "function" -> "tool";
            case "system", "user", "assistant", "tool" -> role;
            default ->
                throw ServingException.invalid(
                        path,
                        path + ": " + (value == null ? "missing" : "'" + value + "'")
                                + "; it must be one of developer, system, user, assistant, tool");
        };
    }

    private Object content(Object content, String role, String path) {
        return switch (content) {
            case null -> "";
            case String text -> text;
            case List<?> parts -> parts(parts, role, path);
            default -> throw wrongType(path, "a string, null or a list of parts");
        };
    }

    private Object parts(List<?> parts, String role, String path) {
        List<String> texts = new ArrayList<>(parts.size());
        for (int i = 0; i < parts.size(); i++) {
            texts.add(part(parts.get(i), path + "[" + i + "]"));
        }
        if (texts.isEmpty() || !partsAllowed.test(role)) {
            return String.join("\n", texts);
        }
        List<Object> kept = new ArrayList<>(texts.size());
        for (String text : texts) {
            Map<String, Object> part = new LinkedHashMap<>();
            part.put("type", "text");
            part.put("text", text);
            kept.add(part);
        }
        return kept;
    }

    private static String part(Object part, String path) {
        if (part instanceof String text) {
            return text;
        }
        if (!(part instanceof Map<?, ?> fields)) {
            throw wrongType(path, "an object");
        }
        Object type = fields.get("type");
        return switch (type instanceof String name ? name : "") {
            case "text", "input_text", "output_text" -> string(fields.get("text"), path + ".text");
            case "refusal" -> string(fields.get("refusal"), path + ".refusal");
            default ->
                throw ServingException.invalid(
                        path + ".type",
                        path + ".type: " + (type == null ? "missing" : "'" + type + "' is not supported")
                                + "; this model reads parts of type text only");
        };
    }

    private static List<Object> toolCalls(Object value, String path) {
        if (value == null) {
            return List.of();
        }
        if (!(value instanceof List<?> given)) {
            throw wrongType(path, "a list");
        }
        List<Object> calls = new ArrayList<>(given.size());
        for (int i = 0; i < given.size(); i++) {
            String at = path + "[" + i + "]";
            Map<String, Object> call = copy(given.get(i), at);
            call.putIfAbsent("type", "function");
            if (!"function".equals(call.get("type"))) {
                throw ServingException.invalid(
                        at + ".type", at + ".type: '" + call.get("type") + "' is not supported, only function");
            }
            Map<String, Object> function = copy(call.get("function"), at + ".function");
            string(function.get("name"), at + ".function.name");
            function.put("arguments", arguments(function.get("arguments"), at + ".function.arguments"));
            call.put("function", function);
            calls.add(call);
        }
        return calls;
    }

    /** OpenAI sends a string that holds JSON, some clients the object itself. */
    private static Object arguments(Object value, String path) {
        return switch (value) {
            case null -> new LinkedHashMap<String, Object>();
            case Map<?, ?> object -> object;
            case String blank when blank.isBlank() -> new LinkedHashMap<String, Object>();
            case String text -> parse(text, path);
            default -> throw wrongType(path, "a string that holds a JSON object");
        };
    }

    private static Map<String, Object> parse(String text, String path) {
        try {
            Map<String, Object> object = JSON.readValue(text, OBJECT);
            if (object != null) {
                return object;
            }
        } catch (JacksonException e) {
            throw ServingException.invalid(
                    path, path + ": the string must hold a JSON object: " + e.getOriginalMessage());
        }
        throw ServingException.invalid(path, path + ": the string must hold a JSON object, it holds " + text);
    }

    private static Map<String, Object> copy(Object value, String path) {
        if (!(value instanceof Map<?, ?> object)) {
            throw wrongType(path, "an object");
        }
        Map<String, Object> copy = new LinkedHashMap<>();
        object.forEach((key, each) -> copy.put((String) key, each));
        return copy;
    }

    private static String string(Object value, String path) {
        if (value instanceof String text) {
            return text;
        }
        throw wrongType(path, "a string");
    }

    private static ServingException wrongType(String path, String wanted) {
        return ServingException.invalid(path, path + ": must be " + wanted);
    }
}
