package dev.nightshift.template;

import java.util.Locale;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.function.UnaryOperator;

/** Upper and lower case, and what characters are, as Python's {@code str} sees them. */
final class TextCase {
    private TextCase() {}

    static Text upper(Budget budget, Text text) {
        return convert(budget, text, string -> string.toUpperCase(Locale.ROOT));
    }

    static Text lower(Budget budget, Text text) {
        return convert(budget, text, string -> string.toLowerCase(Locale.ROOT));
    }

    static Text casefold(Budget budget, Text text) {
        return convert(
                budget,
                text,
                string ->
                        string.toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT).replace('\u03c2', '\u03c3'));
    }

    /**
     * The whole string is converted, since some characters depend on their neighbours. If lengths show that every character was
     * converted by itself each keeps its provenance; else all get every provenance.
     */
    private static Text convert(Budget budget, Text text, UnaryOperator<String> conversion) {
        String converted = conversion.apply(text.string());
        budget.produce(converted.length());
        if (text.isUniform() || converted.equals(text.string())) {
            return text.derive(converted);
        }
        TextBuilder out = new TextBuilder(budget);
        int from = 0;
        String string = text.string();
        for (int at = 0; at < string.length(); ) {
            int next = at + Character.charCount(string.codePointAt(at));
            int to = from + conversion.apply(string.substring(at, next)).length();
            if (to > converted.length()) {
                return text.derive(converted);
            }
            out.append(converted.substring(from, to), text.flagsAt(at));
            from = to;
            at = next;
        }
        return from == converted.length() ? out.toText() : text.derive(converted);
    }

    private static Text each(Budget budget, Text text, IntFunction<String> conversion) {
        TextBuilder out = new TextBuilder(budget);
        String string = text.string();
        for (int at = 0; at < string.length(); ) {
            int codePoint = string.codePointAt(at);
            out.append(conversion.apply(codePoint), text.flagsAt(at));
            at += Character.charCount(codePoint);
        }
        return out.toText();
    }

    static Text swap(Budget budget, Text text) {
        return each(budget, text, c -> {
            String one = Character.toString(c);
            return Character.isUpperCase(c)
                    ? one.toLowerCase(Locale.ROOT)
                    : Character.isLowerCase(c) ? one.toUpperCase(Locale.ROOT) : one;
        });
    }

    /** {@code str.title}: every run of letters begins with a capital. */
    static Text title(Budget budget, Text text) {
        boolean[] inWord = {false};
        return each(budget, text, c -> {
            String converted = inWord[0] ? Character.toString(c).toLowerCase(Locale.ROOT) : titleCase(c);
            inWord[0] = Characters.isCased(c);
            return converted;
        });
    }

    /** The first character in title case, the rest in lower case. */
    static Text capitalize(Budget budget, Text text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.string().codePointAt(0);
        int rest = Character.charCount(first);
        return new TextBuilder(budget)
                .append(titleCase(first), text.flagsAt(0))
                .append(lower(budget, text.slice(rest, text.length())))
                .toText();
    }

    /** Jinja's {@code title} filter: a capital after white space, dashes and opening brackets. */
    static Text titleWords(Budget budget, Text text) {
        TextBuilder out = new TextBuilder(budget);
        String string = text.string();
        for (int at = 0; at < string.length(); ) {
            boolean separator = isWordSeparator(string.charAt(at));
            int end = at;
            while (end < string.length() && isWordSeparator(string.charAt(end)) == separator) {
                end++;
            }
            if (separator) {
                out.append(text, at, end);
            } else {
                int rest = string.offsetByCodePoints(at, 1);
                out.append(upper(budget, text.slice(at, rest))).append(lower(budget, text.slice(rest, end)));
            }
            at = end;
        }
        return out.toText();
    }

    private static boolean isWordSeparator(char c) {
        return "-({[<".indexOf(c) >= 0 || Characters.isSpace(c);
    }

    private static String titleCase(int codePoint) {
        int title = Character.toTitleCase(codePoint);
        String upper = Character.toString(codePoint).toUpperCase(Locale.ROOT);
        if (title != codePoint || upper.codePointCount(0, upper.length()) == 1) {
            return Character.toString(title);
        }
        int first = upper.offsetByCodePoints(0, 1);
        return upper.substring(0, first) + upper.substring(first).toLowerCase(Locale.ROOT);
    }

    static boolean all(String string, IntPredicate predicate) {
        return string.codePoints().allMatch(predicate);
    }

    static boolean isAlpha(int c) {
        return Character.isLetter(c);
    }

    static boolean isDigit(int c) {
        if (Character.isDigit(c)) {
            return true;
        }
        int value = Character.getNumericValue(c);
        return Character.getType(c) == Character.OTHER_NUMBER && value >= 0 && value <= 9;
    }

    static boolean isNumeric(int c) {
        return Character.isDigit(c)
                || Character.getType(c) == Character.OTHER_NUMBER
                || Character.getType(c) == Character.LETTER_NUMBER;
    }

    static boolean isAlphanumeric(int c) {
        return isAlpha(c) || isNumeric(c);
    }

    static boolean isUpper(String string) {
        return string.codePoints().anyMatch(Character::isUpperCase)
                && string.codePoints().noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
    }

    static boolean isLower(String string) {
        return string.codePoints().anyMatch(Character::isLowerCase)
                && string.codePoints().noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
    }

    static boolean isTitle(String string) {
        boolean inWord = false;
        boolean any = false;
        for (int c : string.codePoints().toArray()) {
            boolean capital = Character.isUpperCase(c) || Character.isTitleCase(c);
            if (capital && inWord || Character.isLowerCase(c) && !inWord) {
                return false;
            }
            inWord = Characters.isCased(c);
            any |= inWord;
        }
        return any;
    }

    static boolean isIdentifier(String string) {
        if (string.isEmpty()) {
            return false;
        }
        int first = string.codePointAt(0);
        return (first == '_' || Character.isUnicodeIdentifierStart(first))
                && all(
                        string,
                        c -> c == '_' || Character.isUnicodeIdentifierPart(c) && !Character.isIdentifierIgnorable(c));
    }
}
