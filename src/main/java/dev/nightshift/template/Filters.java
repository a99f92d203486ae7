package dev.nightshift.template;

import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Real;
import dev.nightshift.template.Value.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The filters on strings, numbers and single values. */
final class Filters {
    /** A filter's code. */
    @FunctionalInterface
    interface Filter {
        Value apply(Evaluator evaluator, Value input, Arguments arguments);
    }

    private static final Map<String, Filter> FILTERS = new HashMap<>(SequenceFilters.all());

    static {
        FILTERS.put("abs", (e, v, a) -> abs(v));
        FILTERS.put("attr", (e, v, a) -> attr(e, v, a));
        FILTERS.put("capitalize", text("capitalize", TextCase::capitalize));
        FILTERS.put("center", Filters::center);
        FILTERS.put("d", Filters::defaulted);
        FILTERS.put("default", Filters::defaulted);
        FILTERS.put("e", (e, v, a) -> Html.escape(e.budget(), e.str(v)));
        FILTERS.put("escape", (e, v, a) -> Html.escape(e.budget(), e.str(v)));
        FILTERS.put("float", Filters::toReal);
        FILTERS.put("forceescape", (e, v, a) -> Html.escapeAll(e.budget(), e.str(v)));
        FILTERS.put("format", Filters::format);
        FILTERS.put("indent", Filters::indent);
        FILTERS.put("int", Filters::toInt);
        FILTERS.put("lower", text("lower", TextCase::lower));
        FILTERS.put("pprint", (e, v, a) -> PythonText.repr(e.budget(), v));
        FILTERS.put("replace", Filters::replace);
        FILTERS.put("round", Filters::round);
        FILTERS.put("safe", (e, v, a) -> e.str(v).asMarkup());
        FILTERS.put("string", (e, v, a) -> e.str(v));
        FILTERS.put("striptags", (e, v, a) -> Html.stripTags(e.budget(), e.str(v)));
        FILTERS.put("title", text("title", TextCase::titleWords));
        FILTERS.put("tojson", Filters::toJson);
        FILTERS.put("trim", Filters::trim);
        FILTERS.put("truncate", Filters::truncate);
        FILTERS.put("upper", text("upper", TextCase::upper));
        FILTERS.put("urlencode", Filters::urlEncode);
        FILTERS.put("wordcount", (e, v, a) -> Int.of(wordCount(e.str(v).string())));
    }

    private Filters() {}

    static Filter named(String name) {
        return FILTERS.get(name);
    }

    static boolean exists(String name) {
        return FILTERS.containsKey(name);
    }

    @FunctionalInterface
    private interface Change {
        Text apply(Budget budget, Text text);
    }

    private static Filter text(String name, Change change) {
        return (e, v, a) -> {
            a.bind(name);
            Text text = e.str(v);
            return change.apply(e.budget(), text).like(text);
        };
    }

    static int intArgument(Value value, int absent, String what) {
        return value == null ? absent : Numbers.index(value, what);
    }

    static boolean flag(Evaluator e, Value value) {
        return value != null && e.operators().truth(value);
    }

    private static Value abs(Value value) {
        if (!Numbers.isNumber(value)) {
            Operators.requireDefined(value);
            throw new TemplateFailure("bad operand type for abs(): '" + Types.name(value) + "'");
        }
        return value instanceof Real real
                ? new Real(Math.abs(real.value()))
                : Numbers.of(Numbers.whole(value).abs());
    }

    private static Value attr(Evaluator e, Value value, Arguments arguments) {
        Value name = arguments.bindRequired("attr", 1, "name")[0];
        if (value instanceof Value.Dict dict
                && name instanceof Text key
                && dict.entries().containsKey(key)) {
            // a dictionary's keys are no attributes; its methods are
            Value without = Value.Dict.of(e.budget(), Map.of());
            return e.attributes().attribute(without, key) instanceof Undefined missing
                    ? missing
                    : e.attributes().attribute(value, key);
        }
        return e.attributes().attribute(value, TextMethods.text(name, "attr"));
    }

    private static Value center(Evaluator e, Value value, Arguments arguments) {
        int width = intArgument(arguments.bind("center", "width")[0], 80, "a width");
        Text text = e.str(value);
        return TextEdits.pad(e.budget(), text, width, Text.trusted(" "), NumberFormat.Align.CENTER, true)
                .like(text);
    }

    private static Value defaulted(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("default", "default_value", "boolean");
        boolean replaced = value instanceof Undefined
                || flag(e, bound[1]) && !e.operators().truth(value);
        return !replaced ? value : bound[0] == null ? Text.EMPTY : bound[0];
    }

    private static Value format(Evaluator e, Value value, Arguments arguments) {
        if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
            throw new TemplateFailure("format takes positional or named arguments, not both");
        }
        Value values = arguments.named().isEmpty()
                ? Items.tuple(e.budget(), arguments.positional())
                : Value.Dict.of(e.budget(), new HashMap<>(arguments.named()));
        return new PercentFormat(e.operators(), e.budget()).format(e.str(value), values);
    }

    private static Value indent(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("indent", "width", "first", "blank");
        Text indention;
        if (bound[0] instanceof Text text) {
            indention = text;
        } else {
            int width = intArgument(bound[0], 4, "a width");
            indention =
                    new TextBuilder(e.budget()).repeat(Text.trusted(" "), width).toText();
        }
        Text text = TextMethods.text(value, "indent");
        return TextEdits.indent(e.budget(), text, indention, flag(e, bound[1]), flag(e, bound[2]));
    }

    private static Value replace(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bindRequired("replace", 2, "old", "new", "count");
        int count = bound[2] == null || bound[2] == None.NONE ? -1 : Numbers.index(bound[2], "count");
        Text old = e.str(bound[0]);
        return TextEdits.replace(e.budget(), e.str(value).asPlain(), old.string(), e.str(bound[1]), count);
    }

    private static Value trim(Evaluator e, Value value, Arguments arguments) {
        Value chars = arguments.bind("trim", "chars")[0];
        Text stripped = chars == null || chars == None.NONE ? null : TextMethods.text(chars, "trim");
        return TextEdits.strip(e.str(value), stripped, true, true);
    }

    private static Value truncate(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("truncate", "length", "killwords", "end", "leeway");
        int length = intArgument(bound[0], 255, "a length");
        Text end = bound[2] == null ? Text.trusted("...") : TextMethods.text(bound[2], "truncate");
        int leeway = bound[3] == null || bound[3] == None.NONE ? 5 : Numbers.index(bound[3], "leeway");
        int endLength = (int) e.operators().length(end);
        if (length < endLength || leeway < 0) {
            throw new TemplateFailure("truncate: the length " + length + " is too small");
        }
        if (e.operators().length(value) <= (long) length + leeway) {
            return value;
        }
        Text text = TextMethods.text(value, "truncate");
        Text kept = text.slice(0, text.string().offsetByCodePoints(0, length - endLength));
        if (!flag(e, bound[1])) {
            int blank = kept.string().lastIndexOf(' ');
            kept = blank < 0 ? kept : kept.slice(0, blank);
        }
        return new TextBuilder(e.budget()).append(kept).append(end).toText().like(text);
    }

    private static Value toInt(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("int", "default", "base");
        Value absent = bound[0] == null ? Int.of(0) : bound[0];
        int base = intArgument(bound[1], 10, "a base");
        Operators.requireDefined(value);
        if (value instanceof Text text) {
            Value whole = NumberText.whole(text.string(), base);
            if (whole != null) {
                return whole;
            }
            Double real = NumberText.real(text.string());
            return real == null || !Double.isFinite(real) ? absent : truncated(real);
        }
        if (value instanceof Real real) {
            if (Double.isInfinite(real.value())) {
                throw new TemplateFailure("cannot convert float infinity to integer");
            }
            return Double.isNaN(real.value()) ? absent : truncated(real.value());
        }
        BigInteger whole = Numbers.whole(value);
        return whole == null ? absent : Numbers.of(whole);
    }

    private static Value truncated(double value) {
        return Numbers.of(new BigDecimal(value).toBigInteger());
    }

    private static Value toReal(Evaluator e, Value value, Arguments arguments) {
        Value bound = arguments.bind("float", "default")[0];
        Value absent = bound == null ? new Real(0) : bound;
        Operators.requireDefined(value);
        if (value instanceof Text text) {
            Double real = NumberText.real(text.string());
            return real == null ? absent : new Real(real);
        }
        return Numbers.isNumber(value) ? new Real(Numbers.real(value)) : absent;
    }

    private static Value round(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("round", "precision", "method");
        int precision = intArgument(bound[0], 0, "a precision");
        String method = bound[1] == null ? "common" : e.str(bound[1]).string();
        if (!Numbers.isNumber(value)) {
            Operators.requireDefined(value);
            throw new TemplateFailure("type " + Types.name(value) + " doesn't define __round__ method");
        }
        RoundingMode mode = switch (method) {
            case "common" -> null;
            case "ceil" -> RoundingMode.CEILING;
            case "floor" -> RoundingMode.FLOOR;
            default -> throw new TemplateFailure("method must be common, ceil or floor");
        };
        if (mode == null) {
            return NumberFormat.rounded(value, precision);
        }
        double scale = Math.pow(10, precision);
        double scaled = Numbers.real(value) * scale;
        return new Real((mode == RoundingMode.CEILING ? Math.ceil(scaled) : Math.floor(scaled)) / scale);
    }

    private static Value toJson(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
        Text indent = null;
        if (bound[1] instanceof Text text) {
            indent = text;
        } else if (bound[1] != null && bound[1] != None.NONE) {
            int width = Numbers.index(bound[1], "an indent");
            indent =
                    new TextBuilder(e.budget()).repeat(Text.trusted(" "), width).toText();
        }
        Text item = Text.trusted(indent == null ? ", " : ",");
        Text key = Text.trusted(": ");
        if (bound[2] != null && bound[2] != None.NONE) {
            List<Value> separators = e.operators().items(bound[2]);
            if (separators.size() != 2) {
                throw new TemplateFailure("tojson: separators must be two strings");
            }
            item = TextMethods.text(separators.get(0), "tojson");
            key = TextMethods.text(separators.get(1), "tojson");
        }
        JsonWriter.Style style = new JsonWriter.Style(indent, item, key, flag(e, bound[0]), flag(e, bound[3]));
        return JsonWriter.write(e.budget(), value, style);
    }

    private static Value urlEncode(Evaluator e, Value value, Arguments arguments) {
        if (value instanceof Text || !e.operators().isIterable(value)) {
            return quoted(e, e.str(value), "/");
        }
        List<Value> pairs = value instanceof Value.Dict dict
                ? e.operators().items(new Value.View(Value.View.Kind.ITEMS, dict))
                : e.operators().items(value);
        TextBuilder out = new TextBuilder(e.budget());
        for (Value pair : pairs) {
            List<Value> both = e.operators().items(pair);
            if (both.size() != 2) {
                throw new TemplateFailure("urlencode needs pairs");
            }
            out.append(out.length() > 0 ? "&" : "")
                    .append(quoted(e, e.str(both.get(0)), ""))
                    .append('=')
                    .append(quoted(e, e.str(both.get(1)), ""));
        }
        return out.toText();
    }

    private static Text quoted(Evaluator e, Text text, String safe) {
        TextBuilder out = new TextBuilder(e.budget());
        String string = text.string();
        for (int at = 0; at < string.length(); ) {
            int codePoint = string.codePointAt(at);
            int next = at + Character.charCount(codePoint);
            boolean kept = codePoint < 128
                    && (Character.isLetterOrDigit(codePoint)
                            || "_.-~".indexOf(codePoint) >= 0
                            || safe.indexOf(codePoint) >= 0);
            if (kept) {
                out.append((char) codePoint, text.flagsAt(at));
            } else if (codePoint == ' ' && safe.isEmpty()) {
                out.append('+', text.flagsAt(at));
            } else {
                for (byte b : string.substring(at, next).getBytes(StandardCharsets.UTF_8)) {
                    out.append(String.format("%%%02X", b), text.flagsAt(at));
                }
            }
            at = next;
        }
        return out.toText();
    }

    private static long wordCount(String string) {
        long count = 0;
        boolean inWord = false;
        for (int i = 0; i < string.length(); i++) {
            boolean part = string.charAt(i) == '_' || Character.isLetterOrDigit(string.charAt(i));
            count += part && !inWord ? 1 : 0;
            inWord = part;
        }
        return count;
    }
}
