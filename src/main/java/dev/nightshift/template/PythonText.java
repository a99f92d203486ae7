package dev.nightshift.template;

import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Cycler;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.Loop;
import dev.nightshift.template.Value.Namespace;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Range;
import dev.nightshift.template.Value.Real;
import dev.nightshift.template.Value.Stream;
import dev.nightshift.template.Value.Undefined;
import dev.nightshift.template.Value.View;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Map;

/** Python's {@code str()} and {@code repr()}. */
final class PythonText {
    private PythonText() {}

    static Text str(Budget budget, Value value) {
        if (value instanceof Text text) {
            return text;
        }
        if (value instanceof Undefined) {
            return Text.EMPTY;
        }
        return repr(budget, value);
    }

    static Text repr(Budget budget, Value value) {
        TextBuilder out = new TextBuilder(budget);
        repr(budget, out, value, 0);
        return out.toText();
    }

    private static void repr(Budget budget, TextBuilder out, Value value, int depth) {
        budget.step();
        switch (value) {
            case None _ -> out.append("None");
            case Undefined _ -> out.append("Undefined");
            case Bool bool -> out.append(bool.value() ? "True" : "False");
            case Int number -> out.append(number.value().toString());
            case Real number -> out.append(real(number.value()));
            case Text text -> quoted(out, text);
            case Items items -> list(budget, out, items.list(), items.tuple() ? "()" : "[]", depth);
            case Dict dict -> dict(budget, out, dict.entries(), depth);
            case View view -> {
                out.append(Types.name(view)).append('(');
                list(budget, out, new Operators(budget).items(view), "[]", depth);
                out.append(')');
            }
            case Range range -> {
                out.append("range(" + range.start() + ", " + range.stop());
                out.append(range.step() == 1 ? ")" : ", " + range.step() + ")");
            }
            case Namespace namespace -> {
                if (depth > budget.limits().nesting()) {
                    throw new TemplateFailure("a namespace that contains itself cannot be printed");
                }
                out.append("<Namespace {");
                String separator = "";
                for (Map.Entry<Text, Value> entry : namespace.attributes().entrySet()) {
                    out.append(separator);
                    quoted(out, entry.getKey());
                    out.append(": ");
                    repr(budget, out, entry.getValue(), depth + 1);
                    separator = ", ";
                }
                out.append("}>");
            }
            case Loop loop -> out.append("<LoopContext " + (loop.index0 + 1) + "/" + loop.items.size() + ">");
            case Stream _ -> out.append("<generator>");
            case Function function -> out.append("<" + function.name() + ">");
            case Cycler _ -> out.append("<Cycler>");
        }
    }

    private static void list(Budget budget, TextBuilder out, List<Value> items, String brackets, int depth) {
        if (depth > budget.limits().nesting()) {
            throw new TemplateFailure("values nested too deep to be printed");
        }
        out.append(brackets.charAt(0));
        for (int i = 0; i < items.size(); i++) {
            if (i > 0) {
                out.append(", ");
            }
            repr(budget, out, items.get(i), depth + 1);
        }
        if (brackets.equals("()") && items.size() == 1) {
            out.append(',');
        }
        out.append(brackets.charAt(1));
    }

    private static void dict(Budget budget, TextBuilder out, Map<Value, Value> entries, int depth) {
        if (depth > budget.limits().nesting()) {
            throw new TemplateFailure("values nested too deep to be printed");
        }
        out.append('{');
        String separator = "";
        for (Map.Entry<Value, Value> entry : entries.entrySet()) {
            out.append(separator);
            repr(budget, out, entry.getKey(), depth + 1);
            out.append(": ");
            repr(budget, out, entry.getValue(), depth + 1);
            separator = ", ";
        }
        out.append('}');
    }

    /** A string as a Python literal: the quotes are the printer's, all else has the character's provenance. */
    private static void quoted(TextBuilder out, Text text) {
        String string = text.string();
        char quote = string.indexOf('\'') >= 0 && string.indexOf('"') < 0 ? '"' : '\'';
        if (text.isMarkup()) {
            out.append("Markup(");
        }
        out.append(quote);
        int done = 0;
        for (int at = 0; at < string.length(); ) {
            int codePoint = string.codePointAt(at);
            int next = at + Character.charCount(codePoint);
            String escape = escape(codePoint, quote);
            if (escape != null) {
                out.append(text, done, at).append(escape, text.flagsAt(at));
                done = next;
            }
            at = next;
        }
        out.append(text, done, string.length()).append(quote);
        if (text.isMarkup()) {
            out.append(')');
        }
    }

    private static String escape(int codePoint, char quote) {
        return switch (codePoint) {
            case '\\' -> "\\\\";
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            default -> {
                if (codePoint == quote) {
                    yield "\\" + quote;
                }
                if (Characters.isPrintable(codePoint)) {
                    yield null;
                }
                if (codePoint < 0x100) {
                    yield String.format("\\x%02x", codePoint);
                }
                yield codePoint < 0x10000 ? String.format("\\u%04x", codePoint) : String.format("\\U%08x", codePoint);
            }
        };
    }

    /** {@code repr(float)}: the shortest digits that read back, with an exponent from 1e16 and below 1e-4. */
    static String real(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = new BigDecimal(Double.toString(Math.abs(value))).stripTrailingZeros();
        BigInteger unscaled = decimal.unscaledValue();
        String digits = unscaled.toString();
        int exponent = digits.length() - 1 - decimal.scale();
        String sign = value < 0 ? "-" : "";
        if (exponent < -4 || exponent >= 16) {
            String mantissa = digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
            return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + (Math.abs(exponent) < 10 ? "0" : "")
                    + Math.abs(exponent);
        }
        String plain = decimal.toPlainString();
        return sign + (plain.indexOf('.') < 0 ? plain + ".0" : plain);
    }
}
