package dev.nightshift.template;

import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Items;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Locale;

/** Python's {@code format % values}. */
final class PercentFormat {
    private static final int WIDTH_MAX = 1_000_000;
    private static final int PRECISION_MAX = 1000;

    private final Operators operators;
    private final Budget budget;
    private String format;
    private int at;
    private Value values;
    private List<Value> positional;
    private int used;

    PercentFormat(Operators operators, Budget budget) {
        this.operators = operators;
        this.budget = budget;
    }

    Text format(Text text, Value given) {
        format = text.string();
        values = given;
        positional = given instanceof Items items && items.tuple() ? items.list() : List.of(given);
        TextBuilder out = new TextBuilder(budget);
        int done = 0;
        at = 0;
        while ((at = format.indexOf('%', at)) >= 0) {
            out.append(text, done, at);
            at++;
            Text formatted = directive(text);
            out.append(text.isMarkup() ? Html.escape(budget, formatted) : formatted);
            done = at;
        }
        out.append(text, done, format.length());
        // what can be subscripted counts as a mapping, of which a format need not use all
        boolean mapping = given instanceof Dict
                || given instanceof Value.Range
                || given instanceof Value.Undefined
                || given instanceof Items items && !items.tuple();
        if (used < positional.size() && !mapping) {
            throw new TemplateFailure("not all arguments converted during string formatting");
        }
        return out.toText().like(text);
    }

    private char peek() {
        if (at >= format.length()) {
            throw new TemplateFailure("incomplete format");
        }
        return format.charAt(at);
    }

    private Text directive(Text text) {
        Value named = null;
        if (peek() == '(') {
            int end = format.indexOf(')', at);
            if (end < 0 || !(values instanceof Dict dict)) {
                throw new TemplateFailure("format requires a mapping");
            }
            named = dict.entries().get(text.slice(at + 1, end));
            if (named == null) {
                throw new TemplateFailure("the format names a key that the mapping does not have");
            }
            used = positional.size();
            at = end + 1;
        }
        String flags = "";
        while ("-+ #0".indexOf(peek()) >= 0) {
            flags += format.charAt(at++);
        }
        int width = size(WIDTH_MAX, 0);
        int precision = -1;
        if (peek() == '.') {
            at++;
            precision = size(PRECISION_MAX, 0);
        }
        while ("hlL".indexOf(peek()) >= 0) {
            at++;
        }
        char type = peek();
        at++;
        if (type == '%') {
            return Text.trusted("%");
        }
        Value value = named != null ? named : next();
        return padded(converted(type, value, flags, precision), width, flags, type);
    }

    private int size(int limit, int absent) {
        if (peek() == '*') {
            at++;
            int size = Numbers.index(next(), "a width");
            if (size < 0 || size > limit) {
                throw new TemplateFailure("a format's size must be 0 to " + limit);
            }
            return size;
        }
        int from = at;
        while (peek() >= '0' && peek() <= '9') {
            at++;
        }
        if (from == at) {
            return absent;
        }
        if (at - from > 7 || Integer.parseInt(format, from, at, 10) > limit) {
            throw new TemplateFailure("a format's size must be 0 to " + limit);
        }
        return Integer.parseInt(format, from, at, 10);
    }

    private Value next() {
        if (used >= positional.size()) {
            throw new TemplateFailure("not enough arguments for format string");
        }
        return positional.get(used++);
    }

    private Text converted(char type, Value value, String flags, int precision) {
        return switch (type) {
            case 's' -> cut(PythonText.str(budget, value), precision);
            case 'r', 'a' -> cut(PythonText.repr(budget, value), precision);
            case 'c' -> {
                if (value instanceof Text text && text.string().codePointCount(0, text.length()) == 1) {
                    yield text;
                }
                BigInteger number = Numbers.whole(value);
                if (number == null) {
                    throw new TemplateFailure("%c requires int or char");
                }
                yield Text.untrusted(
                        NumberFormat.character(number)); // any character can be made from a number of the request
            }
            case 'd', 'i', 'u', 'x', 'X', 'o' -> whole(type, value, flags, precision);
            case 'e', 'E', 'f', 'F', 'g', 'G' -> real(type, value, flags, precision);
            default -> throw new TemplateFailure("unsupported format character '" + type + "'");
        };
    }

    private static Text cut(Text text, int precision) {
        if (precision < 0 || precision >= text.string().codePointCount(0, text.length())) {
            return text;
        }
        return text.slice(0, text.string().offsetByCodePoints(0, precision));
    }

    private Text whole(char type, Value value, String flags, int precision) {
        BigInteger number = Numbers.whole(value);
        if (number == null) {
            Operators.requireDefined(value);
            if (!(value instanceof Value.Real real) || "diu".indexOf(type) < 0 || !Double.isFinite(real.value())) {
                throw new TemplateFailure("%" + type + " format: a number is required, not " + Types.name(value));
            }
            number = new BigDecimal(real.value()).toBigInteger();
        }
        BigInteger size = number.abs();
        boolean alternate = flags.indexOf('#') >= 0;
        String digits = switch (type) {
            case 'x' -> size.toString(16);
            case 'X' -> size.toString(16).toUpperCase(Locale.ROOT);
            case 'o' -> size.toString(8);
            default -> size.toString();
        };
        digits = "0".repeat(Math.max(0, precision - digits.length())) + digits;
        String prefix = alternate && "xXo".indexOf(type) >= 0 ? "0" + type : "";
        return Text.trusted(sign(number.signum() < 0, flags) + prefix + digits);
    }

    private static String sign(boolean negative, String flags) {
        return negative ? "-" : flags.indexOf('+') >= 0 ? "+" : flags.indexOf(' ') >= 0 ? " " : "";
    }

    private Text real(char type, Value value, String flags, int precision) {
        if (!Numbers.isNumber(value)) {
            Operators.requireDefined(value);
            throw new TemplateFailure("must be real number, not " + Types.name(value));
        }
        double number = Numbers.real(value);
        double size = Math.abs(number);
        int digitCount = precision < 0 ? 6 : precision;
        boolean alternate = flags.indexOf('#') >= 0;
        String digits = switch (Character.toLowerCase(type)) {
            case 'e' -> NumberFormat.scientific(size, digitCount, alternate);
            case 'f' -> NumberFormat.fixed(size, digitCount, alternate);
            default -> NumberFormat.general(size, digitCount, alternate, false);
        };
        boolean negative = number < 0 || number == 0 && 1 / number < 0;
        return Text.trusted(
                sign(negative, flags) + (Character.isUpperCase(type) ? digits.toUpperCase(Locale.ROOT) : digits));
    }

    private Text padded(Text text, int width, String flags, char type) {
        int missing = width - (int) operators.length(text);
        if (missing <= 0) {
            return text;
        }
        if (flags.indexOf('-') >= 0) {
            return new TextBuilder(budget)
                    .append(text)
                    .repeat(Text.trusted(" "), missing)
                    .toText();
        }
        if (flags.indexOf('0') < 0 || "srac".indexOf(type) >= 0) {
            return new TextBuilder(budget)
                    .repeat(Text.trusted(" "), missing)
                    .append(text)
                    .toText();
        }
        String string = text.string();
        int start = "+- ".indexOf(string.charAt(0)) >= 0 ? 1 : 0;
        if (string.startsWith("0x", start) || string.startsWith("0X", start) || string.startsWith("0o", start)) {
            start += 2;
        }
        return new TextBuilder(budget)
                .append(text, 0, start)
                .repeat(Text.trusted("0"), missing)
                .append(text, start, text.length())
                .toText();
    }
}
