package dev.nightshift.template;

import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Real;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Python's {@code json.dumps}. What comes from a string has the string's provenance; the punctuation is the template's. */
final class JsonWriter {
    /**
     * How to write.
     *
     * @param indent one level's white space, null for one line
     */
    record Style(Text indent, Text itemSeparator, Text keySeparator, boolean ascii, boolean sortKeys) {}

    private final Budget budget;
    private final Operators operators;
    private final Style style;
    private final TextBuilder out;

    private JsonWriter(Budget budget, Style style) {
        this.budget = budget;
        this.operators = new Operators(budget);
        this.style = style;
        this.out = new TextBuilder(budget);
    }

    static Text write(Budget budget, Value value, Style style) {
        JsonWriter writer = new JsonWriter(budget, style);
        writer.value(value, 0);
        return writer.out.toText();
    }

    private void value(Value value, int depth) {
        budget.step();
        switch (value) {
            case None _ -> out.append("null");
            case Bool bool -> out.append(bool.value() ? "true" : "false");
            case Int number -> out.append(number.value().toString());
            case Real number -> out.append(real(number.value()));
            case Text text -> string(text);
            case Items items -> {
                if (items.list().isEmpty()) {
                    out.append("[]");
                    return;
                }
                out.append('[');
                for (int i = 0; i < items.list().size(); i++) {
                    separate(i, depth + 1);
                    value(items.list().get(i), depth + 1);
                }
                newline(depth);
                out.append(']');
            }
            case Dict dict -> dict(dict, depth);
            default -> throw new TemplateFailure("Object of type " + Types.name(value) + " is not JSON serializable");
        }
    }

    private void dict(Dict dict, int depth) {
        if (dict.entries().isEmpty()) {
            out.append("{}");
            return;
        }
        List<Map.Entry<Value, Value>> entries = new ArrayList<>(dict.entries().entrySet());
        if (style.sortKeys()) {
            entries.sort((a, b) -> operators.order(a.getKey(), b.getKey()));
        }
        out.append('{');
        for (int i = 0; i < entries.size(); i++) {
            separate(i, depth + 1);
            string(key(entries.get(i).getKey()));
            out.append(style.keySeparator());
            value(entries.get(i).getValue(), depth + 1);
        }
        newline(depth);
        out.append('}');
    }

    private Text key(Value key) {
        return switch (key) {
            case Text text -> text;
            case None _ -> Text.trusted("null");
            case Bool bool -> Text.trusted(bool.value() ? "true" : "false");
            case Int number -> Text.trusted(number.value().toString());
            case Real number -> Text.trusted(real(number.value()));
            default -> throw new TemplateFailure("keys must be str, int, float, bool or None, not " + Types.name(key));
        };
    }

    private void separate(int index, int depth) {
        if (index > 0) {
            out.append(style.itemSeparator());
        }
        newline(depth);
    }

    private void newline(int depth) {
        if (style.indent() != null) {
            out.append('\n').repeat(style.indent(), depth);
        }
    }

    private static String real(double value) {
        if (Double.isNaN(value)) {
            return "NaN";
        }
        return Double.isInfinite(value) ? (value > 0 ? "Infinity" : "-Infinity") : PythonText.real(value);
    }

    private void string(Text text) {
        out.append('"');
        String string = text.string();
        int done = 0;
        for (int i = 0; i < string.length(); i++) {
            String escape = escape(string.charAt(i));
            if (escape != null) {
                out.append(text, done, i).append(escape, text.flagsAt(i));
                done = i + 1;
            }
        }
        out.append(text, done, string.length()).append('"');
    }

    private String escape(char c) {
        return switch (c) {
            case '"' -> "\\\"";
            case '\\' -> "\\\\";
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            case '\f' -> "\\f";
            case '\b' -> "\\b";
            default -> c < 0x20 || c > 0x7e && style.ascii() ? String.format("\\u%04x", (int) c) : null;
        };
    }
}
