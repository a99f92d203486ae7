package dev.nightshift.template;

/** The escapes of Python's string literals, as Jinja reads them. */
final class StringEscapes {
    private StringEscapes() {}

    static String decode(String literal, int line) {
        if (literal.indexOf('\\') < 0) {
            return literal;
        }
        StringBuilder out = new StringBuilder(literal.length());
        int at = 0;
        while (at < literal.length()) {
            char c = literal.charAt(at++);
            if (c != '\\' || at == literal.length()) {
                out.append(c);
                continue;
            }
            char escape = literal.charAt(at++);
            switch (escape) {
                case '\n' -> {}
                case '\\', '\'', '"' -> out.append(escape);
                case 'a' -> out.append('\u0007');
                case 'b' -> out.append('\b');
                case 'f' -> out.append('\f');
                case 'n' -> out.append('\n');
                case 'r' -> out.append('\r');
                case 't' -> out.append('\t');
                case 'v' -> out.append('\u000b');
                case 'x' -> at = hex(literal, at, 2, out, line);
                case 'u' -> at = hex(literal, at, 4, out, line);
                case 'U' -> at = hex(literal, at, 8, out, line);
                case 'N' -> at = named(literal, at, out, line);
                case '0', '1', '2', '3', '4', '5', '6', '7' -> at = octal(literal, at - 1, out);
                default -> out.append('\\').append(escape);
            }
        }
        return out.toString();
    }

    private static int hex(String literal, int at, int digits, StringBuilder out, int line) {
        int codePoint = -1;
        if (at + digits <= literal.length()) {
            try {
                codePoint = Integer.parseUnsignedInt(literal, at, at + digits, 16);
            } catch (NumberFormatException e) {
                codePoint = -1;
            }
        }
        if (!Character.isValidCodePoint(codePoint) || "+-".indexOf(literal.charAt(at)) >= 0) {
            throw TemplateFailure.syntax(line, "a hexadecimal escape in a string needs " + digits + " digits");
        }
        out.appendCodePoint(codePoint);
        return at + digits;
    }

    private static int named(String literal, int at, StringBuilder out, int line) {
        int end = literal.indexOf('}', at);
        if (at >= literal.length() || literal.charAt(at) != '{' || end < 0) {
            throw TemplateFailure.syntax(line, "a character name in a string needs braces");
        }
        try {
            out.appendCodePoint(Character.codePointOf(literal.substring(at + 1, end)));
        } catch (IllegalArgumentException e) {
            throw TemplateFailure.syntax(line, "no character has the name " + literal.substring(at + 1, end));
        }
        return end + 1;
    }

    private static int octal(String literal, int at, StringBuilder out) {
        int end = at;
        int value = 0;
        while (end < literal.length() && end < at + 3 && literal.charAt(end) >= '0' && literal.charAt(end) <= '7') {
            value = value * 8 + literal.charAt(end++) - '0';
        }
        out.append((char) value);
        return end;
    }
}
