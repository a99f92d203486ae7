package dev.nightshift.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Operations on strings that keep every character's provenance. */
final class TextEdits {
    private TextEdits() {}

    /** Without white space, or without the characters of {@code chars}, at the ends. */
    static Text strip(Text text, Text chars, boolean left, boolean right) {
        String string = text.string();
        int from = 0;
        int to = string.length();
        while (left && from < to) {
            int codePoint = string.codePointAt(from);
            if (!stripped(codePoint, chars)) {
                break;
            }
            from += Character.charCount(codePoint);
        }
        while (right && from < to) {
            int codePoint = string.codePointBefore(to);
            if (!stripped(codePoint, chars)) {
                break;
            }
            to -= Character.charCount(codePoint);
        }
        return text.slice(from, to);
    }

    private static boolean stripped(int codePoint, Text chars) {
        return chars == null ? Characters.isSpace(codePoint) : chars.string().indexOf(codePoint) >= 0;
    }

    static List<Value> split(Budget budget, Text text, String separator, int most, boolean fromEnd) {
        List<Value> parts = new ArrayList<>();
        String string = text.string();
        int left = most < 0 ? Integer.MAX_VALUE : most;
        if (fromEnd) {
            int end = string.length();
            int at = string.lastIndexOf(separator);
            while (at >= 0 && left-- > 0) {
                budget.items(parts.size());
                parts.add(text.slice(at + separator.length(), end));
                end = at;
                at = at - separator.length() < 0 ? -1 : string.lastIndexOf(separator, at - separator.length());
            }
            parts.add(text.slice(0, end));
            Collections.reverse(parts);
            return parts;
        }
        int start = 0;
        int at = string.indexOf(separator);
        while (at >= 0 && left-- > 0) {
            parts.add(text.slice(start, at));
            start = at + separator.length();
            at = string.indexOf(separator, start);
        }
        parts.add(text.slice(start, string.length()));
        return parts;
    }

    static List<Value> splitSpace(Budget budget, Text text, int most, boolean fromEnd) {
        List<Value> parts = new ArrayList<>();
        String string = text.string();
        int left = most < 0 ? Integer.MAX_VALUE : most;
        int from = 0;
        int to = string.length();
        while (true) {
            while (from < to && Characters.isSpace(string.charAt(fromEnd ? to - 1 : from))) {
                if (fromEnd) {
                    to--;
                } else {
                    from++;
                }
            }
            if (from >= to) {
                break;
            }
            if (left-- == 0) {
                parts.add(text.slice(from, to));
                break;
            }
            int edge = fromEnd ? to : from;
            while (fromEnd ? edge > from : edge < to) {
                if (Characters.isSpace(string.charAt(fromEnd ? edge - 1 : edge))) {
                    break;
                }
                edge += fromEnd ? -1 : 1;
            }
            parts.add(fromEnd ? text.slice(edge, to) : text.slice(from, edge));
            if (fromEnd) {
                to = edge;
            } else {
                from = edge;
            }
        }
        if (fromEnd) {
            Collections.reverse(parts);
        }
        budget.items(parts.size());
        return parts;
    }

    static List<Value> lines(Budget budget, Text text, boolean keepEnds) {
        List<Value> lines = new ArrayList<>();
        String string = text.string();
        int start = 0;
        int at = 0;
        while (at < string.length()) {
            char c = string.charAt(at);
            if (!Characters.isLineEnd(c)) {
                at++;
                continue;
            }
            int next = c == '\r' && string.startsWith("\n", at + 1) ? at + 2 : at + 1;
            lines.add(text.slice(start, keepEnds ? next : at));
            start = next;
            at = next;
        }
        if (start < string.length()) {
            lines.add(text.slice(start, string.length()));
        }
        budget.items(lines.size());
        return lines;
    }

    /** The first {@code most} occurrences, or all if it is negative. */
    static Text replace(Budget budget, Text text, String old, Text with, int most) {
        String string = text.string();
        int left = most < 0 ? Integer.MAX_VALUE : most;
        int at = string.indexOf(old);
        if (at < 0 || left == 0) {
            return text;
        }
        TextBuilder out = new TextBuilder(budget);
        int done = 0;
        if (old.isEmpty()) {
            for (at = 0; left-- > 0; ) {
                budget.step();
                out.append(with);
                if (at >= string.length()) {
                    break;
                }
                int next = string.offsetByCodePoints(at, 1);
                out.append(text, at, next);
                at = next;
            }
            return out.append(text, Math.min(at, string.length()), string.length())
                    .toText();
        }
        while (at >= 0 && left-- > 0) {
            budget.step();
            out.append(text, done, at).append(with);
            done = at + old.length();
            at = string.indexOf(old, done);
        }
        return out.append(text, done, string.length()).toText();
    }

    /**
     * Filled up to a width in characters.
     *
     * @param methodRounding where an odd rest goes: {@code str.center} puts it left if the width is odd, formats put it right
     */
    static Text pad(Budget budget, Text text, int width, Text fill, NumberFormat.Align align, boolean methodRounding) {
        int missing = width - text.string().codePointCount(0, text.length());
        if (missing <= 0) {
            return text;
        }
        int left = switch (align) {
            case LEFT -> 0;
            case RIGHT, AFTER_SIGN -> missing;
            case CENTER -> missing / 2 + (methodRounding ? missing & width & 1 : 0);
        };
        return new TextBuilder(budget)
                .repeat(fill, left)
                .append(text)
                .repeat(fill, missing - left)
                .toText();
    }

    static Text zeroFill(Budget budget, Text text, int width) {
        int sign = text.string().startsWith("+") || text.string().startsWith("-") ? 1 : 0;
        int missing = width - text.string().codePointCount(0, text.length());
        if (missing <= 0) {
            return text;
        }
        return new TextBuilder(budget)
                .append(text, 0, sign)
                .repeat(Text.trusted("0"), missing)
                .append(text, sign, text.length())
                .toText()
                .like(text);
    }

    static Text expandTabs(Budget budget, Text text, int size) {
        TextBuilder out = new TextBuilder(budget);
        int column = 0;
        int done = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.string().charAt(i);
            if (c == '\t') {
                int blanks = size <= 0 ? 0 : size - column % size;
                out.append(text, done, i).repeat(Text.flagged(" ", text.flagsAt(i)), blanks);
                column += blanks;
                done = i + 1;
            } else if (c == '\n' || c == '\r') {
                column = 0;
            } else if (!Character.isLowSurrogate(c)) {
                column++;
            }
        }
        return out.append(text, done, text.length()).toText().like(text);
    }

    /** Every line but the first (unless {@code first}) with this before it; blank lines only if {@code blank}. */
    static Text indent(Budget budget, Text text, Text indention, boolean first, boolean blank) {
        TextBuilder out = new TextBuilder(budget);
        if (first) {
            out.append(indention);
        }
        int lineEndFlags = 0;
        boolean start = true;
        boolean open = true;
        for (Value value : lines(budget, text, true)) {
            Text line = (Text) value;
            int end = line.length();
            open = !Characters.isLineEnd(line.string().charAt(end - 1));
            if (!open) {
                end -= line.string().endsWith("\r\n") ? 2 : 1;
            }
            if (!start) {
                out.append('\n', lineEndFlags);
                if (end > 0 || blank) {
                    out.append(indention);
                }
            }
            out.append(line, 0, end);
            lineEndFlags = line.flagsAt(line.length() - 1);
            start = false;
        }
        if (!open) {
            out.append('\n', lineEndFlags);
            if (blank) {
                out.append(indention);
            }
        }
        return out.toText().like(text);
    }
}
