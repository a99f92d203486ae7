package dev.nightshift.template;

import dev.nightshift.template.Value.Int;

/** Python's {@code str.format}: fields with attributes and items, conversions, nested format specifications. */
final class BraceFormat {
    private static final int NESTING_MAX = 2;

    private final Evaluator evaluator;
    private final Arguments arguments;
    private int automatic;

    BraceFormat(Evaluator evaluator, Arguments arguments) {
        this.evaluator = evaluator;
        this.arguments = arguments;
    }

    Text format(Text text) {
        return format(text, NESTING_MAX, text.isMarkup()).like(text);
    }

    private Text format(Text text, int nesting, boolean escape) {
        if (nesting == 0) {
            throw new TemplateFailure("Max string recursion exceeded");
        }
        TextBuilder out = new TextBuilder(evaluator.budget());
        String string = text.string();
        int done = 0;
        int at = 0;
        while (at < string.length()) {
            char c = string.charAt(at);
            if (c != '{' && c != '}') {
                at++;
                continue;
            }
            boolean doubled = at + 1 < string.length() && string.charAt(at + 1) == c;
            if (doubled) {
                out.append(text, done, at + 1);
                at += 2;
                done = at;
                continue;
            }
            if (c == '}') {
                throw new TemplateFailure("Single '}' encountered in format string");
            }
            out.append(text, done, at);
            int end = fieldEnd(string, at + 1);
            Text formatted = field(text, at + 1, end, nesting);
            out.append(escape ? Html.escape(evaluator.budget(), formatted) : formatted);
            at = end + 1;
            done = at;
        }
        return out.append(text, done, string.length()).toText();
    }

    /** Where the field's closing brace is. */
    private static int fieldEnd(String string, int from) {
        int open = 1;
        for (int at = from; at < string.length(); at++) {
            char c = string.charAt(at);
            if (c == '[' && open == 1) {
                int close = string.indexOf(']', at);
                at = close < 0 ? at : close;
            } else if (c == '{') {
                open++;
            } else if (c == '}' && --open == 0) {
                return at;
            }
        }
        throw new TemplateFailure("expected '}' before end of string");
    }

    private Text field(Text text, int from, int to, int nesting) {
        String string = text.string();
        int nameEnd = from;
        while (nameEnd < to && string.charAt(nameEnd) != ':' && string.charAt(nameEnd) != '!') {
            if (string.charAt(nameEnd) == '[') {
                int close = string.indexOf(']', nameEnd);
                if (close < 0 || close > to) {
                    throw new TemplateFailure("expected ']' in a format field");
                }
                nameEnd = close;
            }
            nameEnd++;
        }
        int at = nameEnd;
        char conversion = 0;
        if (at < to && string.charAt(at) == '!') {
            if (at + 1 >= to || at + 2 < to && string.charAt(at + 2) != ':') {
                throw new TemplateFailure("expected ':' after conversion specifier");
            }
            conversion = string.charAt(at + 1);
            at += 2;
        }
        Value value = lookup(text.slice(from, nameEnd));
        Text spec = at < to ? format(text.slice(at + 1, to).asPlain(), nesting - 1, false) : Text.EMPTY;
        Value converted = switch (conversion) {
            case 0 -> value;
            case 's' -> evaluator.str(value);
            case 'r', 'a' -> PythonText.repr(evaluator.budget(), value);
            default -> throw new TemplateFailure("Unknown conversion specifier '" + conversion + "'");
        };
        return NumberFormat.format(evaluator.budget(), converted, spec);
    }

    private Value lookup(Text name) {
        String string = name.string();
        int end = 0;
        while (end < string.length() && string.charAt(end) != '.' && string.charAt(end) != '[') {
            end++;
        }
        Value value = first(name.slice(0, end));
        int at = end;
        while (at < string.length()) {
            int next = at + 1;
            if (string.charAt(at) == '.') {
                while (next < string.length() && string.charAt(next) != '.' && string.charAt(next) != '[') {
                    next++;
                }
                value = evaluator
                        .attributes()
                        .attribute(value, name.slice(at + 1, next).asPlain());
                at = next;
            } else if (string.charAt(at) == '[') {
                next = string.indexOf(']', at);
                if (next < 0) {
                    throw new TemplateFailure("expected ']' in a format field");
                }
                Text key = name.slice(at + 1, next).asPlain();
                Value index = isNumber(key.string()) ? Int.of(Long.parseLong(key.string())) : key;
                value = evaluator.attributes().item(value, index);
                at = next + 1;
            } else {
                throw new TemplateFailure("Only '.' or '[' may follow ']' in format field specifier");
            }
        }
        return value;
    }

    private Value first(Text name) {
        if (name.isEmpty() || isNumber(name.string())) {
            long position = name.isEmpty() ? automatic++ : Long.parseLong(name.string());
            if (position >= arguments.positional().size()) {
                throw new TemplateFailure("Replacement index " + position + " out of range for positional args tuple");
            }
            return arguments.positional().get((int) position);
        }
        Value value = arguments.named().get(name);
        if (value == null) {
            throw new TemplateFailure("the format names an argument that is not given");
        }
        return value;
    }

    private static boolean isNumber(String string) {
        return !string.isEmpty() && string.length() < 10 && string.chars().allMatch(c -> c >= '0' && c <= '9');
    }
}
