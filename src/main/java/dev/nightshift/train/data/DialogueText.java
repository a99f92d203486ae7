package dev.nightshift.train.data;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Dialogues written as one text, each turn behind its speaker's name. */
enum DialogueText {
    /** OASST1 as QLoRA (arXiv 2305.14314) was trained on it. */
    GUANACO("### (Human|Assistant):[ \\n]?"),
    /** Anthropic's HH-RLHF. */
    HH("\\n\\n(Human|Assistant):[ \\n]?");

    private final Pattern marker;

    DialogueText(String marker) {
        this.marker = Pattern.compile(marker);
    }

    /** Whether a text begins with a turn, white space apart. */
    boolean matches(String text) {
        Matcher matcher = marker.matcher(text);
        return matcher.find() && text.substring(0, matcher.start()).isBlank();
    }

    /** The turns; what stands before the first one is the system's. A last turn of the human, which nobody answers, is left out. */
    List<Map<String, Object>> messages(String text) throws RowFault {
        List<Map<String, Object>> messages = new ArrayList<>();
        Matcher matcher = marker.matcher(text);
        String role = "system";
        int from = 0;
        while (matcher.find()) {
            add(messages, role, text.substring(from, matcher.start()));
            role = matcher.group(1).equals("Human") ? "user" : "assistant";
            from = matcher.end();
        }
        if (role.equals("system")) {
            throw new RowFault("no turn such as '### Human:' or 'Human:' is in the text");
        }
        if (role.equals("assistant")) {
            add(messages, role, text.substring(from));
        }
        return messages;
    }

    private static void add(List<Map<String, Object>> messages, String role, String text) {
        if (!role.equals("system") || !text.isBlank()) {
            messages.add(message(role, text.strip()));
        }
    }

    static Map<String, Object> message(String role, Object content) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content);
        return message;
    }

    /** The text in pieces, in which only the assistant's turns bear loss. */
    List<Example.Piece> pieces(String text) {
        List<Example.Piece> pieces = new ArrayList<>();
        Matcher matcher = marker.matcher(text);
        int from = 0;
        float weight = 0;
        while (matcher.find()) {
            piece(pieces, text.substring(from, matcher.start()), weight);
            piece(pieces, matcher.group(), 0);
            weight = matcher.group(1).equals("Assistant") ? 1 : 0;
            from = matcher.end();
        }
        piece(pieces, text.substring(from), weight);
        return pieces;
    }

    private static void piece(List<Example.Piece> pieces, String text, float weight) {
        if (!text.isEmpty()) {
            pieces.add(new Example.Piece(text, weight));
        }
    }
}
