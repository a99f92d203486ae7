package dev.nightshift.template;

import java.math.BigInteger;
import java.util.regex.Pattern;

/** What Python's {@code int()} and {@code float()} read. */
final class NumberText {
    private static final int LENGTH_MAX = 2000;
    private static final Pattern REAL =
            Pattern.compile("[+-]?(\\d+(_\\d+)*\\.?(\\d+(_\\d+)*)?|\\.\\d+(_\\d+)*)([eE][+-]?\\d+(_\\d+)*)?");

    private NumberText() {}

    /** The number, or null. */
    static Value whole(String text, int base) {
        String digits = text.strip();
        if (digits.length() > LENGTH_MAX) {
            return null;
        }
        boolean negative = digits.startsWith("-");
        if (negative || digits.startsWith("+")) {
            digits = digits.substring(1);
        }
        int radix = base;
        int prefixed = prefix(digits);
        if (prefixed != 0 && (base == 0 || base == prefixed)) {
            radix = prefixed;
            digits = digits.substring(2);
            digits = digits.startsWith("_") ? digits.substring(1) : digits;
        } else if (base == 0) {
            radix = 10;
        }
        if (radix < 2
                || radix > 36
                || digits.isEmpty()
                || digits.startsWith("_")
                || digits.endsWith("_")
                || digits.contains("__")
                || "+-".indexOf(digits.charAt(0)) >= 0) {
            return null;
        }
        try {
            BigInteger value = new BigInteger(digits.replace("_", ""), radix);
            return Numbers.of(negative ? value.negate() : value);
        } catch (NumberFormatException e) {
            return null;
        }
    }

    private static int prefix(String digits) {
        if (digits.length() < 3 || digits.charAt(0) != '0') {
            return 0;
        }
        return switch (Character.toLowerCase(digits.charAt(1))) {
            case 'x' -> 16;
            case 'o' -> 8;
            case 'b' -> 2;
            default -> 0;
        };
    }

    /** The number, or null. */
    static Double real(String text) {
        String digits = text.strip();
        if (digits.length() > LENGTH_MAX) {
            return null;
        }
        String plain = digits.toLowerCase(java.util.Locale.ROOT);
        String unsigned = plain.startsWith("+") || plain.startsWith("-") ? plain.substring(1) : plain;
        if (unsigned.equals("inf") || unsigned.equals("infinity")) {
            return plain.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
        }
        if (unsigned.equals("nan")) {
            return Double.NaN;
        }
        return REAL.matcher(digits).matches() ? Double.valueOf(digits.replace("_", "")) : null;
    }
}
