package dev.nightshift.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The last message of a conversation that the model is to continue. As transformers does it: a marker is put behind its last
 * text, and the rendering is cut where the marker comes out.
 */
final class FinalMessage {
    private static final String MARKER = "CONTINUE_FINAL_MESSAGE_TAG ";

    private final String text;

    private FinalMessage(String text) {
        this.text = text;
    }

    /** Puts the marker into the last message; the list is changed, its messages are not. */
    static FinalMessage mark(List<Map<String, Object>> messages, String source) {
        Map<String, Object> last = new LinkedHashMap<>(messages.getLast());
        Object content = last.get("content");
        if (content == null) {
            throw new TemplateFailure("continue_final_message: the final message has no content to continue");
        }
        if (!source.contains("content")) {
            throw new TemplateFailure("continue_final_message: the template does not use a message's content");
        }
        String text;
        if (content instanceof String string) {
            text = string;
            last.put("content", string + MARKER);
        } else if (content instanceof List<?> parts) {
            List<Object> marked = new ArrayList<>(parts);
            text = markLastText(marked);
            last.put("content", marked);
        } else {
            throw new TemplateFailure("continue_final_message: the final message's content is no text");
        }
        messages.set(messages.size() - 1, last);
        return new FinalMessage(text);
    }

    private static String markLastText(List<Object> parts) {
        for (int i = parts.size() - 1; i >= 0; i--) {
            if (parts.get(i) instanceof Map<?, ?> part && part.get("text") instanceof String text) {
                Map<Object, Object> marked = new LinkedHashMap<>(part);
                marked.put("text", text + MARKER);
                parts.set(i, marked);
                return text;
            }
        }
        throw new TemplateFailure("continue_final_message: the final message has no text to continue");
    }

    /** The rendering up to the end of the last message's text. */
    Text cut(Text rendered) {
        String string = rendered.string();
        String marker = MARKER.strip();
        int at = string.lastIndexOf(marker);
        Text trimmed = TextEdits.strip(Text.trusted(text), null, true, true);
        if (at < 0 || !string.contains(trimmed.string())) {
            throw new TemplateFailure(
                    "continue_final_message: the template does not put the final message's text into the prompt as it is");
        }
        Text kept = rendered.slice(0, at);
        return string.startsWith(MARKER, at) ? kept : TextEdits.strip(kept, null, false, true);
    }
}
