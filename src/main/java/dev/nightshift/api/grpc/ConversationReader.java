package dev.nightshift.api.grpc;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.ContentPart;
import dev.nightshift.proto.v1.Conversation;
import dev.nightshift.proto.v1.Message;
import dev.nightshift.proto.v1.ToolCall;
import dev.nightshift.template.ChatPrompt;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Messages as a chat template sees them: JSON values, a tool call's arguments as an object, absent fields absent. */
final class ConversationReader {
    private static final int NESTING_MAX = 200;

    /** Above this a double is no longer every whole number, so a number of a Struct stays a double there. */
    private static final double WHOLE_MAX = 1L << 53;

    private static final ObjectMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(NESTING_MAX)
                            .build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_LONG_FOR_INTS)
            .build();

    private ConversationReader() {}

    static ChatPrompt read(Conversation chat, int messagesMax) {
        if (chat.getMessagesCount() == 0) {
            throw ServingException.invalid(
                    "prompt.chat.messages", "prompt.chat.messages: at least one message is needed");
        }
        if (chat.getMessagesCount() > messagesMax) {
            throw ServingException.invalid(
                    "prompt.chat.messages",
                    "prompt.chat.messages: %d messages, at most %d are allowed"
                            .formatted(chat.getMessagesCount(), messagesMax));
        }
        if (chat.getToolsCount() > 0) {
            throw ServingException.invalid(
                    "prompt.chat.tools", "prompt.chat.tools: new tool calls are not supported by this server");
        }
        if (chat.getContinueFinalMessage() && chat.getAddGenerationPrompt()) {
            throw ServingException.invalid(
                    "prompt.chat.continue_final_message",
                    "prompt.chat.continue_final_message: cannot be set together with add_generation_prompt");
        }
        List<Map<String, Object>> messages = new ArrayList<>(chat.getMessagesCount());
        for (int i = 0; i < chat.getMessagesCount(); i++) {
            messages.add(message(chat.getMessages(i), "prompt.chat.messages[" + i + "]"));
        }
        List<Object> documents = chat.getDocumentsCount() == 0
                ? null
                : chat.getDocumentsList().stream()
                        .map(ConversationReader::plainObject)
                        .map(Object.class::cast)
                        .toList();
        return new ChatPrompt(
                messages,
                null,
                documents,
                chat.hasAddGenerationPrompt() ? chat.getAddGenerationPrompt() : !chat.getContinueFinalMessage(),
                chat.getContinueFinalMessage(),
                plainObject(chat.getTemplateArguments()));
    }

    private static Map<String, Object> message(Message message, String path) {
        Map<String, Object> plain = new LinkedHashMap<>();
        plain.put("role", role(message.getRole(), path));
        plain.put("content", content(message.getContentList(), path));
        putUnlessEmpty(plain, "name", message.getName());
        putUnlessEmpty(plain, "reasoning_content", message.getReasoningContent());
        if (message.getToolCallsCount() > 0) {
            List<Object> calls = new ArrayList<>();
            for (int i = 0; i < message.getToolCallsCount(); i++) {
                calls.add(toolCall(message.getToolCalls(i), path + ".tool_calls[" + i + "]"));
            }
            plain.put("tool_calls", calls);
        }
        if (message.getRole().equals("tool") && message.getToolCallId().isEmpty()) {
            throw ServingException.invalid(path + ".tool_call_id", path + ".tool_call_id: a tool's message needs it");
        }
        putUnlessEmpty(plain, "tool_call_id", message.getToolCallId());
        return plain;
    }

    private static String role(String role, String path) {
        return switch (role) {
            case "system", "user", "assistant", "tool" -> role;
            case "developer" -> "system";
            default ->
                throw ServingException.invalid(
                        path + ".role",
                        path + ".role: '" + role + "' is none of system, developer, user, assistant, tool");
        };
    }

    private static Object content(List<ContentPart> parts, String path) {
        List<Object> texts = new ArrayList<>(parts.size());
        for (ContentPart part : parts) {
            if (part.getKindCase() != ContentPart.KindCase.TEXT) {
                throw ServingException.invalid(path + ".content", path + ".content: this model reads text only");
            }
            Map<String, Object> text = new LinkedHashMap<>();
            text.put("type", "text");
            text.put("text", part.getText());
            texts.add(text);
        }
        return switch (parts.size()) {
            case 0 -> "";
            case 1 -> parts.getFirst().getText();
            default -> texts;
        };
    }

    private static Map<String, Object> toolCall(ToolCall call, String path) {
        if (call.getName().isEmpty()) {
            throw ServingException.invalid(path + ".name", path + ".name: a tool call names its function");
        }
        Map<String, Object> function = new LinkedHashMap<>();
        function.put("name", call.getName());
        function.put("arguments", arguments(call.getArguments(), path + ".arguments"));
        Map<String, Object> plain = new LinkedHashMap<>();
        putUnlessEmpty(plain, "id", call.getId());
        plain.put("type", "function");
        plain.put("function", function);
        return plain;
    }

    private static Map<String, Object> arguments(String json, String path) {
        if (json.isBlank()) {
            return Map.of();
        }
        try {
            Map<String, Object> read = JSON.readValue(json, new TypeReference<LinkedHashMap<String, Object>>() {});
            if (read != null) {
                return read;
            }
            throw ServingException.invalid(path, path + ": null is not a JSON object");
        } catch (JacksonException e) {
            throw new ServingException(
                            ErrorCode.INVALID_REQUEST, path + ": not a JSON object: " + e.getOriginalMessage(), e)
                    .withParam(path);
        }
    }

    private static void putUnlessEmpty(Map<String, Object> message, String name, String value) {
        if (!value.isEmpty()) {
            message.put(name, value);
        }
    }

    /** Templates print numbers: a Struct has doubles alone, and its whole ones were written without a point. */
    static Map<String, Object> plainObject(Struct struct) {
        Map<String, Object> plain = new LinkedHashMap<>();
        struct.getFieldsMap().forEach((name, value) -> plain.put(name, plain(value)));
        return plain;
    }

    private static Object plain(Value value) {
        return switch (value.getKindCase()) {
            case NULL_VALUE, KIND_NOT_SET -> null;
            case NUMBER_VALUE -> number(value.getNumberValue());
            case STRING_VALUE -> value.getStringValue();
            case BOOL_VALUE -> value.getBoolValue();
            case STRUCT_VALUE -> plainObject(value.getStructValue());
            case LIST_VALUE -> {
                List<Object> list = new ArrayList<>();
                value.getListValue().getValuesList().forEach(item -> list.add(plain(item)));
                yield list;
            }
        };
    }

    private static Number number(double value) {
        if (value == Math.rint(value) && Math.abs(value) <= WHOLE_MAX) {
            return (long) value;
        }
        return value;
    }
}
