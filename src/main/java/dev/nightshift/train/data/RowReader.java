package dev.nightshift.train.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.nightshift.train.Segment.Role;
import dev.nightshift.train.data.DatasetOptions.Goal;
import dev.nightshift.train.data.DatasetOptions.Rendering;
import dev.nightshift.train.data.Example.Labelled;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Rows of one format as examples. */
final class RowReader {
    private final DatasetFormat format;
    private final DatasetOptions options;

    RowReader(DatasetFormat format, DatasetOptions options) {
        this.format = format;
        this.options = options;
    }

    /** One example, or the two of a pair, the better one first. */
    List<Labelled> read(JsonNode row) throws RowFault {
        if (!row.isObject()) {
            throw new RowFault(
                    "a row is an object, not " + row.getNodeType().name().toLowerCase(Locale.ROOT));
        }
        return switch (format) {
            case CHAT -> target(MessageRows.dialogue(required(row, "messages"), MessageRows.toolsOf(row), "messages"));
            case COMPLETION -> target(completion(row));
            case GUANACO -> target(guanaco(text(row, "text")));
            case TEXT -> target(new Example.Plain(List.of(new Example.Piece(text(row, "text"), 1))));
            case ALPACA -> target(alpaca(row));
            case SHAREGPT -> target(ShareGptRows.dialogue(row));
            case HH_RLHF -> hh(row);
            case PREFERENCE -> preference(row);
            case KTO -> kto(row);
        };
    }

    private static List<Labelled> target(Example example) {
        return List.of(new Labelled(Role.TARGET, example));
    }

    private List<Labelled> both(Example better, Example worse) {
        boolean rated = options.goal() == Goal.RATED;
        return List.of(
                new Labelled(rated ? Role.DESIRABLE : Role.CHOSEN, better),
                new Labelled(rated ? Role.UNDESIRABLE : Role.REJECTED, worse));
    }

    private static JsonNode required(JsonNode row, String key) throws RowFault {
        JsonNode value = row.path(key);
        if (value.isMissingNode() || value.isNull()) {
            throw new RowFault(key + ": missing");
        }
        return value;
    }

    private static String text(JsonNode row, String key) throws RowFault {
        JsonNode value = required(row, key);
        if (!value.isTextual()) {
            throw new RowFault(key + ": a string is expected, got " + value);
        }
        if (value.textValue().isBlank()) {
            throw new RowFault(key + ": empty");
        }
        return value.textValue();
    }

    private Example completion(JsonNode row) throws RowFault {
        boolean older = row.has("prompt");
        return answered(row, older ? "prompt" : "input", older ? "completion" : "output");
    }

    /** A prompt and one answer to it, as texts or as messages. */
    private Example answered(JsonNode row, String promptKey, String answerKey) throws RowFault {
        JsonNode prompt = required(row, promptKey);
        JsonNode answer = required(row, answerKey);
        JsonNode tools = MessageRows.toolsOf(row);
        if (prompt.isTextual() && answer.isTextual()) {
            if (answer.textValue().isBlank()) {
                throw new RowFault(answerKey + ": empty");
            }
            if (options.rendering() != Rendering.CHAT && !DialogueText.HH.matches(prompt.textValue())) {
                return new Example.Completion(prompt.textValue(), answer.textValue());
            }
        }
        List<Map<String, Object>> output = messages(answer, "assistant", answerKey);
        if (output.getFirst().get("role").equals("user")
                || output.getFirst().get("role").equals("system")) {
            // the answer repeats the prompt before it
            int last = output.size() - 1;
            return MessageRows.answer(output.subList(0, last), output.subList(last, last + 1), tools, answerKey);
        }
        return MessageRows.answer(messages(prompt, "user", promptKey), output, tools, answerKey);
    }

    private static List<Map<String, Object>> messages(JsonNode value, String role, String at) throws RowFault {
        if (!value.isTextual()) {
            return MessageRows.messages(value, at);
        }
        if (role.equals("user") && DialogueText.HH.matches(value.textValue())) {
            String text = value.textValue().stripTrailing();
            String asked = text.endsWith("\n\nAssistant:") ? text : text + "\n\nAssistant:";
            return DialogueText.HH.messages(asked).stream()
                    .filter(message -> !message.get("content").equals(""))
                    .toList();
        }
        return List.of(DialogueText.message(role, value.textValue().strip()));
    }

    private Example guanaco(String text) throws RowFault {
        return options.rendering() == Rendering.PLAIN
                ? new Example.Plain(DialogueText.GUANACO.pieces(text))
                : answeredDialogue(DialogueText.GUANACO, text, "text");
    }

    private static Example.Dialogue answeredDialogue(DialogueText form, String text, String at) throws RowFault {
        List<Map<String, Object>> messages = form.messages(text);
        if (messages.isEmpty()) {
            throw new RowFault(at + ": no turn of the assistant");
        }
        return MessageRows.dialogue(messages, null, at);
    }

    /** The texts of the QLoRA repository's data set of this name. */
    private Example alpaca(JsonNode row) throws RowFault {
        String instruction = text(row, "instruction");
        String input = row.path("input").asText("").strip();
        String output = text(row, "output");
        if (options.rendering() != Rendering.PLAIN) {
            String question = input.isEmpty() ? instruction : instruction + "\n\n" + input;
            return MessageRows.dialogue(
                    new ArrayList<>(
                            List.of(DialogueText.message("user", question), DialogueText.message("assistant", output))),
                    null,
                    "output");
        }
        String introduction = "Below is an instruction that describes a task"
                + (input.isEmpty() ? "" : ", paired with an input that provides further context")
                + ". Write a response that appropriately completes the request.\n\n### Instruction:\n";
        String more = input.isEmpty() ? "" : "### Input:\n" + input + "\n\n";
        return new Example.Completion(introduction + instruction + "\n\n" + more + "### Response: ", output);
    }

    /** The chosen dialogue alone is learnt; of a pair the answers are, which are the last turns. */
    private List<Labelled> hh(JsonNode row) throws RowFault {
        Example.Dialogue chosen = answeredDialogue(DialogueText.HH, text(row, "chosen"), "chosen");
        if (options.goal() == Goal.SUPERVISED) {
            return target(chosen);
        }
        Example.Dialogue rejected = answeredDialogue(DialogueText.HH, text(row, "rejected"), "rejected");
        return both(lastTurn(chosen, "chosen"), lastTurn(rejected, "rejected"));
    }

    private static Example.Dialogue lastTurn(Example.Dialogue dialogue, String at) throws RowFault {
        List<Map<String, Object>> all = dialogue.messages();
        int last = all.size() - 1;
        if (last == 0) {
            throw new RowFault(at + ": there is no question before the answer");
        }
        return MessageRows.answer(all.subList(0, last), all.subList(last, last + 1), null, at);
    }

    private List<Labelled> preference(JsonNode row) throws RowFault {
        if (row.has("chosen")) {
            return row.has("prompt")
                    ? both(answered(row, "prompt", "chosen"), answered(row, "prompt", "rejected"))
                    : both(whole(row, "chosen"), whole(row, "rejected"));
        }
        JsonNode input = required(row, "input");
        JsonNode tools = MessageRows.toolsOf(input);
        List<Map<String, Object>> prompt = messages(
                input.isObject() ? required(input, "messages") : input,
                "user",
                input.isObject() ? "input.messages" : "input");
        boolean outputs = row.has("preferred_output");
        String better = outputs ? "preferred_output" : "preferred_completion";
        String worse = outputs ? "non_preferred_output" : "non_preferred_completion";
        return both(
                MessageRows.answer(prompt, messages(required(row, better), "assistant", better), tools, better),
                MessageRows.answer(prompt, messages(required(row, worse), "assistant", worse), tools, worse));
    }

    /** A whole conversation, of which the last turn is the answer. */
    private static Example.Dialogue whole(JsonNode row, String key) throws RowFault {
        return lastTurn(MessageRows.dialogue(required(row, key), MessageRows.toolsOf(row), key), key);
    }

    private List<Labelled> kto(JsonNode row) throws RowFault {
        JsonNode label = required(row, "label");
        boolean number = label.isInt() && (label.intValue() == 0 || label.intValue() == 1);
        if (!label.isBoolean() && !number) {
            throw new RowFault("label: true or false is expected, got " + label);
        }
        boolean good = label.isBoolean() ? label.booleanValue() : label.intValue() == 1;
        return List.of(new Labelled(good ? Role.DESIRABLE : Role.UNDESIRABLE, answered(row, "prompt", "completion")));
    }

    /** Conversations of {@code from} and {@code value}. */
    private static final class ShareGptRows {
        private static final Map<String, String> ROLES = roles();

        private static Map<String, String> roles() {
            Map<String, String> roles = new LinkedHashMap<>();
            List.of("human", "user").forEach(name -> roles.put(name, "user"));
            List.of("gpt", "assistant", "chatgpt", "model", "bot", "bing", "bard")
                    .forEach(name -> roles.put(name, "assistant"));
            roles.put("system", "system");
            List.of("tool", "observation", "function_response").forEach(name -> roles.put(name, "tool"));
            roles.put("function_call", "function_call");
            return roles;
        }

        static Example.Dialogue dialogue(JsonNode row) throws RowFault {
            JsonNode turns = required(row, "conversations");
            if (!turns.isArray() || turns.isEmpty()) {
                throw new RowFault("conversations: a list of turns is expected");
            }
            List<Map<String, Object>> messages = new ArrayList<>();
            if (row.path("system").isTextual() && !row.get("system").textValue().isBlank()) {
                messages.add(DialogueText.message("system", row.get("system").textValue()));
            }
            for (int i = 0; i < turns.size(); i++) {
                messages.add(turn(turns.get(i), "conversations[" + i + "]"));
            }
            return MessageRows.dialogue(messages, tools(row), "conversations");
        }

        private static JsonNode tools(JsonNode row) throws RowFault {
            return row.path("tools").isTextual()
                    ? MessageRows.parse(row.get("tools").textValue())
                    : MessageRows.toolsOf(row);
        }

        private static Map<String, Object> turn(JsonNode turn, String at) throws RowFault {
            String from = turn.path(turn.has("from") ? "from" : "role").asText("");
            JsonNode value = turn.path(turn.has("value") ? "value" : "content");
            String role = ROLES.get(from);
            if (role == null) {
                throw new RowFault(at + ".from: '" + from + "' is none of " + String.join(", ", ROLES.keySet()));
            }
            if (!value.isTextual()) {
                throw new RowFault(at + ".value: a string is expected, got " + value);
            }
            if (role.equals("function_call")) {
                return call(value.textValue(), at);
            }
            Map<String, Object> message = DialogueText.message(role, value.textValue());
            if (role.equals("tool")) {
                message.put("tool_call_id", "call_0");
            }
            return message;
        }

        private static Map<String, Object> call(String text, String at) throws RowFault {
            JsonNode call = MessageRows.parse(text);
            if (call == null || !call.path("name").isTextual()) {
                throw new RowFault(at + ".value: a function's name and arguments as JSON are expected");
            }
            Map<String, Object> function = new LinkedHashMap<>();
            function.put("name", call.get("name").textValue());
            function.put(
                    "arguments",
                    call.path("arguments").isTextual()
                            ? call.get("arguments").textValue()
                            : call.path("arguments").toString());
            Map<String, Object> message = DialogueText.message("assistant", "");
            message.put("tool_calls", List.of(Map.of("id", "call_0", "type", "function", "function", function)));
            return message;
        }
    }
}
