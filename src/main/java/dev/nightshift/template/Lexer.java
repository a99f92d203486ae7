package dev.nightshift.template;

import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into tokens with the settings of chat templates: a newline after a block tag and blanks before one are
 * dropped (trim_blocks, lstrip_blocks), {@code -} and {@code +} at a tag's ends change that, and one newline at the very end
 * is dropped.
 */
final class Lexer {
    private static final int DIGITS_MAX = 1000;
    private static final Pattern RAW_BEGIN = Pattern.compile("\\{%([-+]?)\\s*raw\\s*(-?)%}");
    private static final Pattern RAW_END = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%}");
    private static final String[] OPERATORS = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".", ":", "|", ",", ";"
    };

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private final Deque<Character> open = new ArrayDeque<>();
    private int position;
    private int line = 1;
    private int lineCounted;
    private boolean lineStarting = true;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokens(String source) {
        String normal = source.replace("\r\n", "\n").replace('\r', '\n');
        if (normal.endsWith("\n")) {
            normal = normal.substring(0, normal.length() - 1);
        }
        Lexer lexer = new Lexer(normal);
        lexer.run();
        return lexer.tokens;
    }

    private void run() {
        while (position < source.length()) {
            int tag = nextTag(position);
            if (tag < 0) {
                add(Token.Kind.DATA, source.substring(position));
                position = source.length();
                break;
            }
            char kind = source.charAt(tag + 1);
            char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
            data(tag, sign, kind != '{');
            position = tag;
            switch (kind) {
                case '{' -> variable(sign);
                case '#' -> comment();
                default -> block(sign);
            }
        }
        add(Token.Kind.END, "");
    }

    private int nextTag(int from) {
        for (int at = source.indexOf('{', from); at >= 0; at = source.indexOf('{', at + 1)) {
            if (at + 1 < source.length() && "{%#".indexOf(source.charAt(at + 1)) >= 0) {
                return at;
            }
        }
        return -1;
    }

    /** The text before a tag, with blanks dropped as the tag says. */
    private void data(int end, char sign, boolean lstrip) {
        int stop = end;
        if (sign == '-') {
            while (stop > position && Characters.isSpace(source.charAt(stop - 1))) {
                stop--;
            }
        } else if (sign != '+' && lstrip) {
            int blanks = end;
            while (blanks > position && source.charAt(blanks - 1) != '\n') {
                blanks--;
            }
            if ((blanks > position || lineStarting) && Characters.isSpace(source, blanks, end)) {
                stop = blanks;
            }
        }
        if (stop > position) {
            add(Token.Kind.DATA, source.substring(position, stop));
        }
    }

    private void variable(char sign) {
        add(Token.Kind.VARIABLE_BEGIN, "{{");
        position += sign == '-' || sign == '+' ? 3 : 2;
        while (true) {
            skipSpace();
            if (open.isEmpty() && source.startsWith("-}}", position)) {
                add(Token.Kind.VARIABLE_END, "}}");
                position += 3;
                skipSpace();
                break;
            }
            if (open.isEmpty() && source.startsWith("}}", position)) {
                add(Token.Kind.VARIABLE_END, "}}");
                position += 2;
                break;
            }
            expressionToken();
        }
        lineStarting = source.charAt(position - 1) == '\n';
    }

    private void block(char sign) {
        Matcher raw = RAW_BEGIN.matcher(source).region(position, source.length());
        if (raw.lookingAt()) {
            raw(raw);
            return;
        }
        add(Token.Kind.BLOCK_BEGIN, "{%");
        position += sign == '-' || sign == '+' ? 3 : 2;
        while (true) {
            skipSpace();
            if (open.isEmpty() && (source.startsWith("-%}", position) || source.startsWith("+%}", position))) {
                char end = source.charAt(position);
                add(Token.Kind.BLOCK_END, "%}");
                position += 3;
                endTag(end);
                break;
            }
            if (open.isEmpty() && source.startsWith("%}", position)) {
                add(Token.Kind.BLOCK_END, "%}");
                position += 2;
                endTag(' ');
                break;
            }
            expressionToken();
        }
    }

    /** After a tag's last brace. */
    private void endTag(char sign) {
        if (sign == '-') {
            skipSpace();
        } else if (sign != '+' && source.startsWith("\n", position)) {
            position++;
        }
        lineStarting = source.charAt(position - 1) == '\n';
    }

    private void raw(Matcher begin) {
        int startLine = lineAt(position);
        position = begin.end();
        if (begin.group(2).equals("-")) {
            skipSpace();
        }
        lineStarting = source.charAt(position - 1) == '\n';
        Matcher end = RAW_END.matcher(source).region(position, source.length());
        if (!end.find()) {
            throw TemplateFailure.syntax(startLine, "the raw block is not closed");
        }
        data(end.start(), end.group(1).isEmpty() ? ' ' : end.group(1).charAt(0), true);
        position = end.end();
        endTag(end.group(2).isEmpty() ? ' ' : end.group(2).charAt(0));
    }

    private void comment() {
        int end = source.indexOf("#}", position + 2);
        if (end < 0) {
            throw TemplateFailure.syntax(lineAt(position), "the comment is not closed");
        }
        int content = position + 2 + ("-+".indexOf(source.charAt(position + 2)) >= 0 ? 1 : 0);
        char sign = end > content ? source.charAt(end - 1) : ' ';
        position = end + 2;
        endTag(sign);
    }

    private void skipSpace() {
        while (position < source.length() && Characters.isSpace(source.charAt(position))) {
            position++;
        }
    }

    private void expressionToken() {
        if (position >= source.length()) {
            throw TemplateFailure.syntax(lineAt(position), "the template ends inside a tag");
        }
        char c = source.charAt(position);
        if (c >= '0' && c <= '9') {
            number();
        } else if (c == '\'' || c == '"') {
            string(c);
        } else if (c == '_' || Character.isUnicodeIdentifierStart(source.codePointAt(position))) {
            int end = position;
            while (end < source.length() && isNamePart(source.codePointAt(end))) {
                end += Character.charCount(source.codePointAt(end));
            }
            add(Token.Kind.NAME, source.substring(position, end));
            position = end;
        } else {
            operator();
        }
    }

    private static boolean isNamePart(int codePoint) {
        return codePoint == '_'
                || Character.isUnicodeIdentifierPart(codePoint) && !Character.isIdentifierIgnorable(codePoint);
    }

    private void number() {
        int end = digits(position, 10);
        boolean afterDot = position > 0 && source.charAt(position - 1) == '.';
        int real = end;
        if (real + 1 < source.length() && source.charAt(real) == '.' && isDigit(source.charAt(real + 1), 10)) {
            real = digits(real + 1, 10);
        }
        real = exponent(real);
        if (real > end && !afterDot) {
            add(Token.Kind.FLOAT, source.substring(position, real).replace("_", ""));
            position = real;
            return;
        }
        int radix = radix();
        if (radix != 10) {
            end = digits(position + 2, radix);
            String digits = source.substring(position + 2, end).replace("_", "");
            add(Token.Kind.INTEGER, number(digits, radix));
        } else {
            String digits = source.substring(position, end).replace("_", "");
            if (digits.length() > 1
                    && digits.charAt(0) == '0'
                    && !digits.chars().allMatch(c -> c == '0')) {
                throw TemplateFailure.syntax(lineAt(position), "a number with a leading zero");
            }
            add(Token.Kind.INTEGER, number(digits, radix));
        }
        position = end;
    }

    private String number(String digits, int radix) {
        if (digits.length() > DIGITS_MAX) {
            throw TemplateFailure.syntax(lineAt(position), "a number of " + digits.length() + " digits");
        }
        return new BigInteger(digits, radix).toString();
    }

    /** Of the number here: 16, 8 or 2 if it has such a prefix and a digit after it. */
    private int radix() {
        if (source.charAt(position) != '0' || position + 2 >= source.length()) {
            return 10;
        }
        int radix = switch (source.charAt(position + 1)) {
            case 'x', 'X' -> 16;
            case 'o', 'O' -> 8;
            case 'b', 'B' -> 2;
            default -> 10;
        };
        int first = source.charAt(position + 2) == '_' ? position + 3 : position + 2;
        return first < source.length() && isDigit(source.charAt(first), radix) ? radix : 10;
    }

    /** The end of digits with single underscores between them. */
    private int digits(int from, int radix) {
        int end = from;
        while (end < source.length()) {
            char c = source.charAt(end);
            boolean separator = c == '_' && end + 1 < source.length() && isDigit(source.charAt(end + 1), radix);
            if (!separator && !isDigit(c, radix)) {
                break;
            }
            end++;
        }
        return end;
    }

    private int exponent(int from) {
        if (from >= source.length() || Character.toLowerCase(source.charAt(from)) != 'e') {
            return from;
        }
        int at = from + 1;
        if (at < source.length() && "+-".indexOf(source.charAt(at)) >= 0) {
            at++;
        }
        return at < source.length() && isDigit(source.charAt(at), 10) ? digits(at, 10) : from;
    }

    private static boolean isDigit(char c, int radix) {
        return c < 128 && Character.digit(c, radix) >= 0;
    }

    private void string(char quote) {
        int end = position + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw TemplateFailure.syntax(lineAt(position), "a string is not closed");
        }
        add(Token.Kind.STRING, StringEscapes.decode(source.substring(position + 1, end), lineAt(position)));
        position = end + 1;
    }

    private void operator() {
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, position)) {
                balance(operator);
                add(Token.Kind.OPERATOR, operator);
                position += operator.length();
                return;
            }
        }
        throw TemplateFailure.syntax(
                lineAt(position), "unexpected character '" + Character.toString(source.codePointAt(position)) + "'");
    }

    private void balance(String operator) {
        char c = operator.charAt(0);
        switch (c) {
            case '(' -> open.push(')');
            case '[' -> open.push(']');
            case '{' -> open.push('}');
            case ')', ']', '}' -> {
                if (open.isEmpty() || open.pop() != c) {
                    throw TemplateFailure.syntax(lineAt(position), "unexpected '" + c + "'");
                }
            }
            default -> {}
        }
    }

    private int lineAt(int at) {
        for (; lineCounted < Math.min(at, source.length()); lineCounted++) {
            if (source.charAt(lineCounted) == '\n') {
                line++;
            }
        }
        return line;
    }

    private void add(Token.Kind kind, String text) {
        tokens.add(new Token(kind, text, lineAt(position)));
    }
}
