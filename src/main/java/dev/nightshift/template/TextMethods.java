package dev.nightshift.template;

import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.None;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The methods of Python's {@code str}. */
final class TextMethods {
    /** A method's code. */
    @FunctionalInterface
    private interface Method {
        Value call(Evaluator evaluator, Text self, Arguments arguments);
    }

    private static final Map<String, Method> METHODS = new HashMap<>();

    static {
        METHODS.put("strip", (e, s, a) -> TextEdits.strip(s, chars(e, a, "strip"), true, true));
        METHODS.put("lstrip", (e, s, a) -> TextEdits.strip(s, chars(e, a, "lstrip"), true, false));
        METHODS.put("rstrip", (e, s, a) -> TextEdits.strip(s, chars(e, a, "rstrip"), false, true));
        METHODS.put("upper", plain("upper", TextCase::upper));
        METHODS.put("lower", plain("lower", TextCase::lower));
        METHODS.put("casefold", plain("casefold", TextCase::casefold));
        METHODS.put("swapcase", plain("swapcase", TextCase::swap));
        METHODS.put("title", plain("title", TextCase::title));
        METHODS.put("capitalize", plain("capitalize", TextCase::capitalize));
        METHODS.put("startswith", (e, s, a) -> Bool.of(affix(e, s, a, true)));
        METHODS.put("endswith", (e, s, a) -> Bool.of(affix(e, s, a, false)));
        METHODS.put("split", (e, s, a) -> split(e, s, a, false));
        METHODS.put("rsplit", (e, s, a) -> split(e, s, a, true));
        METHODS.put("splitlines", TextMethods::splitLines);
        METHODS.put("partition", (e, s, a) -> partition(e, s, a, false));
        METHODS.put("rpartition", (e, s, a) -> partition(e, s, a, true));
        METHODS.put("replace", TextMethods::replace);
        METHODS.put("removeprefix", (e, s, a) -> {
            Text prefix = text(a.bindRequired("removeprefix", 1, "prefix")[0], "removeprefix");
            return s.string().startsWith(prefix.string()) ? s.slice(prefix.length(), s.length()) : s;
        });
        METHODS.put("removesuffix", (e, s, a) -> {
            Text suffix = text(a.bindRequired("removesuffix", 1, "suffix")[0], "removesuffix");
            return s.string().endsWith(suffix.string()) ? s.slice(0, s.length() - suffix.length()) : s;
        });
        METHODS.put("join", TextMethods::join);
        METHODS.put("find", (e, s, a) -> Int.of(find(e, s, a, "find", false)));
        METHODS.put("rfind", (e, s, a) -> Int.of(find(e, s, a, "rfind", true)));
        METHODS.put("index", (e, s, a) -> found(find(e, s, a, "index", false)));
        METHODS.put("rindex", (e, s, a) -> found(find(e, s, a, "rindex", true)));
        METHODS.put("count", TextMethods::count);
        METHODS.put("format", (e, s, a) -> new BraceFormat(e, a).format(s));
        METHODS.put("format_map", (e, s, a) -> {
            if (!(a.bindRequired("format_map", 1, "mapping")[0] instanceof Dict mapping)) {
                throw new TemplateFailure("format_map() needs a mapping");
            }
            Map<Text, Value> named = new HashMap<>();
            mapping.entries().forEach((key, value) -> {
                if (key instanceof Text name) {
                    named.put(name, value);
                }
            });
            return new BraceFormat(e, new Arguments(List.of(), named)).format(s);
        });
        METHODS.put("center", (e, s, a) -> pad(e, s, a, "center", NumberFormat.Align.CENTER));
        METHODS.put("ljust", (e, s, a) -> pad(e, s, a, "ljust", NumberFormat.Align.LEFT));
        METHODS.put("rjust", (e, s, a) -> pad(e, s, a, "rjust", NumberFormat.Align.RIGHT));
        METHODS.put("zfill", (e, s, a) -> {
            int width = Numbers.index(a.bindRequired("zfill", 1, "width")[0], "a width");
            return TextEdits.zeroFill(e.budget(), s, width);
        });
        METHODS.put("expandtabs", (e, s, a) -> {
            Value size = a.bind("expandtabs", "tabsize")[0];
            return TextEdits.expandTabs(e.budget(), s, size == null ? 8 : Numbers.index(size, "a tab's size"));
        });
        METHODS.put("isspace", check("isspace", s -> !s.isEmpty() && TextCase.all(s, Characters::isSpace)));
        METHODS.put("isalpha", check("isalpha", s -> !s.isEmpty() && TextCase.all(s, TextCase::isAlpha)));
        METHODS.put("isdecimal", check("isdecimal", s -> !s.isEmpty() && TextCase.all(s, Character::isDigit)));
        METHODS.put("isdigit", check("isdigit", s -> !s.isEmpty() && TextCase.all(s, TextCase::isDigit)));
        METHODS.put("isnumeric", check("isnumeric", s -> !s.isEmpty() && TextCase.all(s, TextCase::isNumeric)));
        METHODS.put("isalnum", check("isalnum", s -> !s.isEmpty() && TextCase.all(s, TextCase::isAlphanumeric)));
        METHODS.put("isascii", check("isascii", s -> TextCase.all(s, c -> c < 128)));
        METHODS.put("isprintable", check("isprintable", s -> TextCase.all(s, Characters::isPrintable)));
        METHODS.put("isupper", check("isupper", TextCase::isUpper));
        METHODS.put("islower", check("islower", TextCase::isLower));
        METHODS.put("istitle", check("istitle", TextCase::isTitle));
        METHODS.put("isidentifier", check("isidentifier", TextCase::isIdentifier));
    }

    private TextMethods() {}

    /** The method bound to its string, or null. */
    static Function method(Evaluator evaluator, Text self, String name) {
        Method method = METHODS.get(name);
        if (method == null) {
            return null;
        }
        return new Function(name, arguments -> {
            evaluator.budget().scan(self.length());
            return method.call(evaluator, self, arguments);
        });
    }

    @FunctionalInterface
    private interface Change {
        Text apply(Budget budget, Text text);
    }

    @FunctionalInterface
    private interface Check {
        boolean holds(String string);
    }

    private static Method plain(String name, Change change) {
        return (e, s, a) -> {
            a.bind(name);
            return change.apply(e.budget(), s).like(s);
        };
    }

    private static Method check(String name, Check check) {
        return (e, s, a) -> {
            a.bind(name);
            return Bool.of(check.holds(s.string()));
        };
    }

    static Text text(Value value, String what) {
        if (value instanceof Text text) {
            return text;
        }
        Operators.requireDefined(value);
        throw new TemplateFailure(what + "() needs a string, not '" + Types.name(value) + "'");
    }

    private static Text chars(Evaluator evaluator, Arguments arguments, String name) {
        Value chars = arguments.bind(name, "chars")[0];
        if (chars == null || chars == None.NONE) {
            return null;
        }
        Text text = text(chars, name);
        evaluator.budget().scan(text.length());
        return text;
    }

    private static boolean affix(Evaluator e, Text self, Arguments arguments, boolean start) {
        String name = start ? "startswith" : "endswith";
        Value[] bound = arguments.bindRequired(name, 1, "prefix", "start", "end");
        String within = Range16.of(self.string(), bound[1], bound[2]).cut(self.string());
        if (within == null) {
            return false;
        }
        List<Value> candidates = bound[0] instanceof Items items && items.tuple() ? items.list() : List.of(bound[0]);
        for (Value candidate : candidates) {
            e.budget().step();
            String affix = text(candidate, name).string();
            if (start ? within.startsWith(affix) : within.endsWith(affix)) {
                return true;
            }
        }
        return false;
    }

    private static Value split(Evaluator e, Text self, Arguments arguments, boolean fromEnd) {
        String name = fromEnd ? "rsplit" : "split";
        Value[] bound = arguments.bind(name, "sep", "maxsplit");
        int most = bound[1] == null ? -1 : Numbers.index(bound[1], "maxsplit");
        List<Value> parts;
        if (bound[0] == null || bound[0] == None.NONE) {
            parts = TextEdits.splitSpace(e.budget(), self, most, fromEnd);
        } else {
            Text separator = text(bound[0], name);
            if (separator.isEmpty()) {
                throw new TemplateFailure("empty separator");
            }
            parts = TextEdits.split(e.budget(), self, separator.string(), most, fromEnd);
        }
        return Items.list(e.budget(), parts);
    }

    private static Value splitLines(Evaluator e, Text self, Arguments arguments) {
        Value keep = arguments.bind("splitlines", "keepends")[0];
        return Items.list(
                e.budget(),
                TextEdits.lines(e.budget(), self, keep != null && e.operators().truth(keep)));
    }

    private static Value partition(Evaluator e, Text self, Arguments arguments, boolean last) {
        String name = last ? "rpartition" : "partition";
        Text separator = text(arguments.bindRequired(name, 1, "sep")[0], name);
        if (separator.isEmpty()) {
            throw new TemplateFailure("empty separator");
        }
        int at = last
                ? self.string().lastIndexOf(separator.string())
                : self.string().indexOf(separator.string());
        Text none = self.slice(0, 0);
        List<Value> parts = at >= 0
                ? List.of(self.slice(0, at), separator, self.slice(at + separator.length(), self.length()))
                : last ? List.of(none, none, self) : List.of(self, none, none);
        return Items.tuple(e.budget(), parts);
    }

    private static Value replace(Evaluator e, Text self, Arguments arguments) {
        Value[] bound = arguments.bindRequired("replace", 2, "old", "new", "count");
        int count = bound[2] == null ? -1 : Numbers.index(bound[2], "count");
        Text with = text(bound[1], "replace");
        if (self.isMarkup()) {
            with = Html.escape(e.budget(), with);
        }
        return TextEdits.replace(e.budget(), self, text(bound[0], "replace").string(), with, count)
                .like(self);
    }

    private static Value join(Evaluator e, Text self, Arguments arguments) {
        TextBuilder out = new TextBuilder(e.budget());
        boolean first = true;
        for (Value item : e.operators().items(arguments.bindRequired("join", 1, "iterable")[0])) {
            if (!(item instanceof Text part)) {
                Operators.requireDefined(item);
                throw new TemplateFailure("join() needs strings, found '" + Types.name(item) + "'");
            }
            if (!first) {
                out.append(self);
            }
            out.append(self.isMarkup() ? Html.escape(e.budget(), part) : part);
            first = false;
        }
        return out.toText().like(self);
    }

    private static int find(Evaluator e, Text self, Arguments arguments, String name, boolean last) {
        Value[] bound = arguments.bindRequired(name, 1, "sub", "start", "end");
        Range16 range = Range16.of(self.string(), bound[1], bound[2]);
        String within = range.cut(self.string());
        String wanted = text(bound[0], name).string();
        if (within == null) {
            return -1;
        }
        int at = last ? within.lastIndexOf(wanted) : within.indexOf(wanted);
        return at < 0 ? -1 : self.string().codePointCount(0, range.from() + at);
    }

    private static Value found(int at) {
        if (at < 0) {
            throw new TemplateFailure("substring not found");
        }
        return Int.of(at);
    }

    private static Value count(Evaluator e, Text self, Arguments arguments) {
        Value[] bound = arguments.bindRequired("count", 1, "sub", "start", "end");
        String within = Range16.of(self.string(), bound[1], bound[2]).cut(self.string());
        String wanted = text(bound[0], "count").string();
        if (within == null) {
            return Int.of(0);
        }
        if (wanted.isEmpty()) {
            return Int.of(within.codePointCount(0, within.length()) + 1L);
        }
        int count = 0;
        for (int at = within.indexOf(wanted); at >= 0; at = within.indexOf(wanted, at + wanted.length())) {
            count++;
            e.budget().step();
        }
        return Int.of(count);
    }

    private static Value pad(Evaluator e, Text self, Arguments arguments, String name, NumberFormat.Align align) {
        Value[] bound = arguments.bindRequired(name, 1, "width", "fillchar");
        Text fill = bound[1] == null ? Text.trusted(" ") : text(bound[1], name);
        if (fill.string().codePointCount(0, fill.length()) != 1) {
            throw new TemplateFailure("the fill character must be exactly one character long");
        }
        return TextEdits.pad(e.budget(), self, Numbers.index(bound[0], "a width"), fill, align, true)
                .like(self);
    }

    /** A part of a string in UTF-16 units; {@code from > to} if there is none. */
    private record Range16(int from, int to) {
        static Range16 of(String string, Value start, Value end) {
            if (start == null && end == null) {
                return new Range16(0, string.length());
            }
            int size = string.codePointCount(0, string.length());
            int from = position(start, size, 0);
            int to = Math.min(position(end, size, size), size);
            if (from > to) {
                return new Range16(1, 0);
            }
            int first = string.offsetByCodePoints(0, from);
            return new Range16(first, string.offsetByCodePoints(first, to - from));
        }

        private static int position(Value value, int size, int absent) {
            if (value == null || value == None.NONE) {
                return absent;
            }
            int at = Numbers.index(value, "a position");
            return at < 0 ? Math.max(0, at + size) : at;
        }

        String cut(String string) {
            return from > to ? null : string.substring(from, to);
        }
    }
}
