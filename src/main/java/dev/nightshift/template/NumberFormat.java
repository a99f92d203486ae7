package dev.nightshift.template;

import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Real;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/** Python's format specifications ({@code format(value, "08.3f")}) and the digits they ask for. */
final class NumberFormat {
    private static final int PRECISION_MAX = 1000;

    /** Where a short text stands in its field. */
    enum Align {
        LEFT,
        RIGHT,
        CENTER,
        AFTER_SIGN
    }

    /**
     * A parsed specification.
     *
     * @param align null = by type
     * @param precision -1 = none
     * @param type 0 = none
     */
    private record Spec(
            Text fill, Align align, char sign, boolean alternate, int width, char grouping, int precision, char type) {}

    private NumberFormat() {}

    /** Python's {@code format(value, spec)}. */
    static Text format(Budget budget, Value value, Text spec) {
        if (spec.isEmpty()) {
            return PythonText.str(budget, value);
        }
        if (value instanceof Text text) {
            return text(budget, text, parse(spec)).like(text);
        }
        if (!Numbers.isNumber(value)) {
            Operators.requireDefined(value);
            throw new TemplateFailure("unsupported format string passed to " + Types.name(value) + ".__format__");
        }
        Spec parsed = parse(spec);
        BigInteger whole = Numbers.whole(value);
        boolean asReal = whole == null || "eEfFgG%".indexOf(parsed.type()) >= 0 && parsed.type() != 0;
        if (!asReal && parsed.precision() >= 0) {
            throw new TemplateFailure("Precision not allowed in integer format specifier");
        }
        String digits = asReal
                ? real(Numbers.real(value instanceof Bool ? Numbers.of(whole) : value), parsed)
                : whole(whole, parsed);
        return aligned(budget, grouped(digits, parsed), parsed);
    }

    private static Text text(Budget budget, Text text, Spec spec) {
        if (spec.type() != 0 && spec.type() != 's'
                || spec.sign() != '-'
                || spec.align() == Align.AFTER_SIGN
                || spec.grouping() != 0) {
            throw new TemplateFailure("this format specification is not for strings");
        }
        Text cut = text;
        if (spec.precision() >= 0 && spec.precision() < text.string().codePointCount(0, text.length())) {
            cut = text.slice(0, text.string().offsetByCodePoints(0, spec.precision()));
        }
        Align align = spec.align() == null ? Align.LEFT : spec.align();
        return TextEdits.pad(budget, cut, spec.width(), spec.fill(), align, false);
    }

    private static Spec parse(Text text) {
        String spec = text.string();
        int at = 0;
        Text fill = Text.trusted(" ");
        Align align = null;
        int first = spec.offsetByCodePoints(0, 1);
        if (first < spec.length() && align(spec.charAt(first)) != null) {
            fill = text.slice(0, first);
            align = align(spec.charAt(first));
            at = first + 1;
        } else if (align(spec.charAt(0)) != null) {
            align = align(spec.charAt(0));
            at = 1;
        }
        char sign = '-';
        if (at < spec.length() && "+- ".indexOf(spec.charAt(at)) >= 0) {
            sign = spec.charAt(at++);
        }
        boolean alternate = spec.startsWith("#", at);
        at += alternate ? 1 : 0;
        if (spec.startsWith("0", at)) {
            at++;
            if (align == null) {
                align = Align.AFTER_SIGN;
                fill = Text.trusted("0");
            }
        }
        int widthEnd = digits(spec, at);
        int width = number(spec, at, widthEnd, 0);
        at = widthEnd;
        char grouping = 0;
        if (at < spec.length() && (spec.charAt(at) == ',' || spec.charAt(at) == '_')) {
            grouping = spec.charAt(at++);
        }
        int precision = -1;
        if (spec.startsWith(".", at)) {
            int end = digits(spec, at + 1);
            precision = number(spec, at + 1, end, -1);
            if (precision < 0 || precision > PRECISION_MAX) {
                throw new TemplateFailure("a format's precision must be 0 to " + PRECISION_MAX);
            }
            at = end;
        }
        char type = at < spec.length() ? spec.charAt(at++) : 0;
        if (at < spec.length()) {
            throw new TemplateFailure("Invalid format specifier");
        }
        return new Spec(fill, align, sign, alternate, width, grouping, precision, type);
    }

    private static int digits(String spec, int from) {
        int end = from;
        while (end < spec.length() && spec.charAt(end) >= '0' && spec.charAt(end) <= '9') {
            end++;
        }
        return end;
    }

    private static int number(String spec, int from, int to, int absent) {
        if (to - from > 9) {
            throw new TemplateFailure("Too many decimal digits in format string");
        }
        return from == to ? absent : Integer.parseInt(spec, from, to, 10);
    }

    private static Align align(char c) {
        return switch (c) {
            case '<' -> Align.LEFT;
            case '>' -> Align.RIGHT;
            case '^' -> Align.CENTER;
            case '=' -> Align.AFTER_SIGN;
            default -> null;
        };
    }

    private static String signed(boolean negative, char sign, String digits) {
        return (negative ? "-" : sign == '-' ? "" : String.valueOf(sign)) + digits;
    }

    private static String whole(BigInteger value, Spec spec) {
        BigInteger size = value.abs();
        String digits = switch (spec.type()) {
            case 0, 'd', 'n' -> size.toString();
            case 'b' -> (spec.alternate() ? "0b" : "") + size.toString(2);
            case 'o' -> (spec.alternate() ? "0o" : "") + size.toString(8);
            case 'x' -> (spec.alternate() ? "0x" : "") + size.toString(16);
            case 'X' -> (spec.alternate() ? "0X" : "") + size.toString(16).toUpperCase(Locale.ROOT);
            case 'c' -> character(value);
            default -> throw unknown(spec.type(), "int");
        };
        return signed(value.signum() < 0, spec.sign(), digits);
    }

    static String character(BigInteger value) {
        if (value.signum() < 0 || value.bitLength() > 21 || !Character.isValidCodePoint(value.intValue())) {
            throw new TemplateFailure("%c arg not in range(0x110000)");
        }
        return Character.toString(value.intValue());
    }

    private static TemplateFailure unknown(char type, String of) {
        return new TemplateFailure("Unknown format code '" + type + "' for object of type '" + of + "'");
    }

    private static String real(double value, Spec spec) {
        boolean negative = value < 0 || value == 0 && 1 / value < 0;
        double size = Math.abs(value);
        int precision = spec.precision() < 0 ? 6 : spec.precision();
        String digits = switch (spec.type()) {
            case 0 -> spec.precision() < 0 ? PythonText.real(size) : general(size, precision, spec, true);
            case 'f', 'F' -> fixed(size, precision, spec.alternate());
            case 'e' -> scientific(size, precision, spec.alternate());
            case 'E' -> scientific(size, precision, spec.alternate()).toUpperCase(Locale.ROOT);
            case 'g', 'n' -> general(size, precision, spec, false);
            case 'G' -> general(size, precision, spec, false).toUpperCase(Locale.ROOT);
            case '%' -> fixed(size * 100, precision, spec.alternate()) + "%";
            default -> throw unknown(spec.type(), "float");
        };
        return signed(negative, spec.sign(), digits);
    }

    private static String general(double value, int precision, Spec spec, boolean point) {
        return general(value, precision, spec.alternate(), point);
    }

    static String fixed(double value, int precision, boolean alternate) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return PythonText.real(value);
        }
        String digits = new BigDecimal(value)
                .setScale(precision, RoundingMode.HALF_EVEN)
                .toPlainString();
        return alternate && precision == 0 ? digits + "." : digits;
    }

    static String scientific(double value, int precision, boolean alternate) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return PythonText.real(value);
        }
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(precision + 1, RoundingMode.HALF_EVEN));
        String digits = rounded.unscaledValue().toString();
        int exponent = value == 0 ? 0 : digits.length() - 1 - rounded.scale();
        digits = digits.length() > precision + 1
                ? digits.substring(0, precision + 1)
                : digits + "0".repeat(precision + 1 - digits.length());
        String mantissa = digits.charAt(0) + (precision > 0 ? "." + digits.substring(1) : alternate ? "." : "");
        return mantissa + "e" + (exponent < 0 ? "-" : "+") + (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
    }

    /**
     * The shorter of both.
     *
     * @param point at least one digit after a fixed point
     */
    static String general(double value, int wanted, boolean alternate, boolean point) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return PythonText.real(value);
        }
        int precision = Math.max(wanted, 1);
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(precision, RoundingMode.HALF_EVEN));
        int exponent = value == 0 ? 0 : rounded.precision() - 1 - rounded.scale();
        int fixedBelow = point ? precision - 1 : precision;
        if (exponent < -4 || exponent >= fixedBelow) {
            String digits = scientific(value, precision - 1, alternate);
            return alternate
                    ? digits
                    : stripped(digits.substring(0, digits.indexOf('e'))) + digits.substring(digits.indexOf('e'));
        }
        String digits = fixed(value, Math.max(precision - 1 - exponent, 0), alternate);
        digits = alternate ? digits : stripped(digits);
        return point && digits.indexOf('.') < 0 ? digits + ".0" : digits;
    }

    private static String stripped(String digits) {
        if (digits.indexOf('.') < 0) {
            return digits;
        }
        int end = digits.length();
        while (digits.charAt(end - 1) == '0') {
            end--;
        }
        return digits.substring(0, digits.charAt(end - 1) == '.' ? end - 1 : end);
    }

    /** Separators between the thousands (between every four of binary, octal and hexadecimal digits). */
    private static String grouped(String digits, Spec spec) {
        if (spec.grouping() == 0) {
            return digits;
        }
        int size = "boxX".indexOf(spec.type()) >= 0 && spec.type() != 0 ? 4 : 3;
        int start = digits.isEmpty() || Character.isLetterOrDigit(digits.charAt(0)) ? 0 : 1;
        int end = digits(digits, start);
        if (size == 4) {
            end = digits.length();
        }
        StringBuilder out = new StringBuilder(digits);
        for (int at = end - size; at > start; at -= size) {
            out.insert(at, spec.grouping());
        }
        return out.toString();
    }

    private static Text aligned(Budget budget, String digits, Spec spec) {
        // any character can be made from a number of the request
        Text text = spec.type() == 'c' ? Text.untrusted(digits) : Text.trusted(digits);
        Align align = spec.align() == null ? Align.RIGHT : spec.align();
        if (align == Align.AFTER_SIGN) {
            int sign = digits.isEmpty() || "+- ".indexOf(digits.charAt(0)) < 0 ? 0 : 1;
            if (digits.startsWith("0x", sign)
                    || digits.startsWith("0X", sign)
                    || digits.startsWith("0b", sign)
                    || digits.startsWith("0o", sign)) {
                sign += 2;
            }
            return new TextBuilder(budget)
                    .append(text, 0, sign)
                    .repeat(spec.fill(), spec.width() - digits.length())
                    .append(text, sign, digits.length())
                    .toText();
        }
        return TextEdits.pad(budget, text, spec.width(), spec.fill(), align, false);
    }

    /** For {@code round}: as Python, the nearest to the exact value, half to even. */
    static Value rounded(Value value, int digits) {
        if (value instanceof Real real) {
            if (Double.isNaN(real.value()) || Double.isInfinite(real.value())) {
                return value;
            }
            if (digits > 400) {
                return value;
            }
            double result = new BigDecimal(real.value())
                    .setScale(Math.max(digits, -400), RoundingMode.HALF_EVEN)
                    .doubleValue();
            return new Real(result == 0 ? Math.copySign(0.0, real.value()) : result);
        }
        BigInteger whole = Numbers.whole(value);
        if (digits >= 0) {
            return Numbers.of(whole);
        }
        return Numbers.of(new BigDecimal(whole)
                .setScale(Math.max(digits, -400), RoundingMode.HALF_EVEN)
                .toBigInteger());
    }
}
