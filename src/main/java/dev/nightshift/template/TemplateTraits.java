package dev.nightshift.template;

import dev.nightshift.failure.ServingException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What a template can do, found by rendering small conversations. Each answer is found once. */
final class TemplateTraits {
    private static final String PROBE = "nightshift probe";
    private static final String SECOND_PROBE = "another one";
    private static final List<String> THINKING_SWITCHES = List.of("enable_thinking", "thinking");

    private final ChatTemplate template;
    private final Set<String> names;
    private final Map<String, Boolean> known = new ConcurrentHashMap<>();

    TemplateTraits(ChatTemplate template, Set<String> names) {
        this.template = template;
        this.names = names;
    }

    boolean acceptsContentParts(String role) {
        return known.computeIfAbsent("parts " + role, _ -> probeParts(role));
    }

    boolean supportsTools() {
        return known.computeIfAbsent("tools", _ -> probeTools());
    }

    boolean supportsThinkingSwitch() {
        return known.computeIfAbsent("thinking", _ -> probeThinking());
    }

    private boolean probeParts(String role) {
        Optional<String> asText = render(conversation(role, PROBE), null, Map.of());
        if (asText.isEmpty() || !asText.get().contains(PROBE)) {
            return false;
        }
        Map<String, Object> part = Map.of("type", "text", "text", PROBE);
        if (!asText.equals(render(conversation(role, List.of(part)), null, Map.of()))) {
            return false;
        }
        // some templates take the first part and drop the others
        List<Object> two = List.of(part, Map.of("type", "text", "text", SECOND_PROBE));
        Optional<String> both = render(conversation(role, two), null, Map.of());
        return both.isPresent() && both.get().contains(PROBE) && both.get().contains(SECOND_PROBE);
    }

    /** A usual conversation in which the message of this role has the given content. */
    private static List<Map<String, Object>> conversation(String role, Object content) {
        List<Map<String, Object>> messages = new ArrayList<>();
        boolean user = role.equals("user");
        if (role.equals("system") || role.equals("developer")) {
            messages.add(message(role, content));
        }
        messages.add(message("user", user ? content : "a question"));
        if (role.equals("tool")) {
            Map<String, Object> function = new LinkedHashMap<>();
            function.put("name", "look");
            function.put("arguments", Map.of("place", "here"));
            Map<String, Object> call = new LinkedHashMap<>();
            call.put("id", "abcDEF123");
            call.put("type", "function");
            call.put("function", function);
            Map<String, Object> calling = message("assistant", "");
            calling.put("tool_calls", List.of(call));
            messages.add(calling);
            Map<String, Object> result = message("tool", content);
            result.put("tool_call_id", "abcDEF123");
            result.put("name", "look");
            messages.add(result);
        } else if (!user && messages.size() == 1) {
            messages.add(message(role, content));
            messages.add(message("user", "another question"));
        }
        return messages;
    }

    private static Map<String, Object> message(String role, Object content) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content);
        return message;
    }

    private boolean probeTools() {
        if (!names.contains("tools")) {
            return false;
        }
        Map<String, Object> parameters = new LinkedHashMap<>();
        parameters.put("type", "object");
        parameters.put("properties", Map.of("place", Map.of("type", "string", "description", "where")));
        parameters.put("required", List.of("place"));
        Map<String, Object> function = new LinkedHashMap<>();
        function.put("name", "nightshift_probe");
        function.put("description", "looks");
        function.put("parameters", parameters);
        Map<String, Object> tool = new LinkedHashMap<>();
        tool.put("type", "function");
        tool.put("function", function);
        for (boolean system : new boolean[] {false, true}) {
            List<Map<String, Object>> messages = new ArrayList<>();
            if (system) {
                messages.add(message("system", "be brief"));
            }
            messages.add(message("user", "a question"));
            Optional<String> rendered = render(messages, List.of(tool), Map.of());
            if (rendered.isPresent() && rendered.get().contains("nightshift_probe")) {
                return true;
            }
        }
        return false;
    }

    private boolean probeThinking() {
        List<Map<String, Object>> fresh = List.of(message("user", "a question"));
        Map<String, Object> answer = message("assistant", "an answer");
        answer.put("reasoning_content", "a thought");
        List<Map<String, Object>> history =
                List.of(message("user", "a question"), answer, message("user", "another question"));
        for (String name : THINKING_SWITCHES) {
            if (!names.contains(name)) {
                continue;
            }
            for (List<Map<String, Object>> messages : List.of(fresh, history)) {
                Optional<String> on = render(messages, null, Map.of(name, true));
                Optional<String> off = render(messages, null, Map.of(name, false));
                if (on.isPresent() && off.isPresent() && !on.equals(off)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The prompt with an invitation to answer, or empty where the template refuses. */
    private Optional<String> render(
            List<Map<String, Object>> messages, List<Object> tools, Map<String, Object> arguments) {
        try {
            return Optional.of(template.render(new ChatPrompt(messages, tools, null, true, false, arguments))
                    .text());
        } catch (ServingException refused) {
            return Optional.empty();
        }
    }
}
