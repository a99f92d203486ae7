package dev.nightshift.template;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Templates for models that come without one, chosen by name; their texts are resources beside this class. */
public final class NamedTemplates {
    /**
     * A template and how answers under it end.
     *
     * @param stops strings that end an answer besides the model's end token; they are no part of it
     */
    public record NamedTemplate(String name, String source, List<String> stops) {
        public NamedTemplate {
            stops = List.copyOf(stops);
        }
    }

    private static final Map<String, NamedTemplate> TEMPLATES = new LinkedHashMap<>();

    static {
        // <|im_end|> is a token of its own in models made for ChatML, and plain text in others
        add("chatml", List.of("<|im_end|>"));
        // Guanaco models were trained on whole dialogues, so they go on with the next question instead of ending
        add("guanaco", List.of("### Human:"));
        // Alpaca models end with their end token
        add("alpaca", List.of("### Instruction:"));
    }

    private NamedTemplates() {}

    private static void add(String name, List<String> stops) {
        String file = name + ".jinja";
        try (InputStream in = NamedTemplates.class.getResourceAsStream(file)) {
            if (in == null) {
                throw new IllegalStateException("the resource " + file + " is missing");
            }
            TEMPLATES.put(name, new NamedTemplate(name, new String(in.readAllBytes(), StandardCharsets.UTF_8), stops));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The names there are. */
    public static List<String> names() {
        return List.copyOf(TEMPLATES.keySet());
    }

    /**
     * The template of this name.
     *
     * @throws ServingException INVALID_REQUEST for another name, listing those there are
     */
    public static NamedTemplate named(String name) {
        NamedTemplate template = TEMPLATES.get(name);
        if (template == null) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "no chat template is named '" + name + "'; there are " + String.join(", ", names()));
        }
        return template;
    }
}
