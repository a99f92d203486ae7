package dev.nightshift.template;

import dev.nightshift.template.Value.Cycler;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Namespace;
import dev.nightshift.template.Value.Range;
import java.math.BigInteger;
import java.time.Clock;
import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The functions that every chat template can call. */
final class Globals {
    /** As Jinja's sandbox has it. */
    private static final int RANGE_MAX = 100_000;

    private Globals() {}

    static Scope scope(Evaluator evaluator, Clock clock) {
        Scope scope = new Scope(null);
        function(scope, "raise_exception", arguments -> {
            Value message = arguments.bindRequired("raise_exception", 1, "message")[0];
            throw TemplateFailure.raised(evaluator.str(message).string());
        });
        function(scope, "strftime_now", arguments -> {
            Text format = TextMethods.text(arguments.bindRequired("strftime_now", 1, "format")[0], "strftime_now");
            return Strftime.format(evaluator.budget(), format, LocalDateTime.now(clock));
        });
        function(scope, "range", Globals::range);
        function(scope, "dict", arguments -> Dict.of(evaluator.budget(), dict(evaluator, "dict", arguments)));
        function(scope, "namespace", arguments -> {
            Namespace namespace = new Namespace();
            dict(evaluator, "namespace", arguments).forEach((key, value) -> {
                if (!(key instanceof Text name)) {
                    throw new TemplateFailure("a namespace's names must be strings");
                }
                namespace.set(name, value);
            });
            return namespace;
        });
        function(scope, "cycler", arguments -> {
            if (arguments.positional().isEmpty() || !arguments.named().isEmpty()) {
                throw new TemplateFailure("cycler() needs at least one item");
            }
            return new Cycler(arguments.positional());
        });
        function(scope, "joiner", arguments -> {
            Value separator = arguments.bind("joiner", "sep")[0];
            boolean[] used = {false};
            return new Function("joiner", inner -> {
                inner.bind("joiner");
                boolean first = !used[0];
                used[0] = true;
                return first ? Text.EMPTY : separator == null ? Text.trusted(", ") : separator;
            });
        });
        return scope;
    }

    private static void function(Scope scope, String name, Function.Body body) {
        scope.set(name, new Function(name, body));
    }

    private static Value range(Arguments arguments) {
        List<Value> given = arguments.positional();
        if (!arguments.named().isEmpty() || given.isEmpty() || given.size() > 3) {
            throw new TemplateFailure("range expected 1 to 3 arguments, got " + arguments.size());
        }
        long start = given.size() == 1 ? 0 : bound(given.get(0));
        long stop = bound(given.get(given.size() == 1 ? 0 : 1));
        long step = given.size() == 3 ? bound(given.get(2)) : 1;
        if (step == 0) {
            throw new TemplateFailure("range() arg 3 must not be zero");
        }
        long size = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
        if (size > RANGE_MAX) {
            throw new TemplateFailure("Range too big. The sandbox blocks ranges larger than " + RANGE_MAX + ".");
        }
        return new Range(start, stop, step, (int) Math.max(0, size));
    }

    private static long bound(Value value) {
        BigInteger number = Numbers.whole(value);
        if (number == null) {
            Operators.requireDefined(value);
            throw new TemplateFailure("'" + Types.name(value) + "' object cannot be interpreted as an integer");
        }
        if (number.bitLength() > 60) {
            throw new TemplateFailure("Range too big. The sandbox blocks ranges larger than " + RANGE_MAX + ".");
        }
        return number.longValue();
    }

    /** What Python's {@code dict(...)} makes: of a mapping or of pairs, and of keywords. */
    private static Map<Value, Value> dict(Evaluator evaluator, String function, Arguments arguments) {
        if (arguments.positional().size() > 1) {
            throw new TemplateFailure(function + "() takes one positional argument at most");
        }
        Map<Value, Value> entries = new LinkedHashMap<>();
        if (!arguments.positional().isEmpty()) {
            Value source = arguments.positional().getFirst();
            if (source instanceof Dict dict) {
                entries.putAll(dict.entries());
            } else {
                for (Value pair : evaluator.operators().items(source)) {
                    List<Value> both = evaluator.operators().items(pair);
                    if (both.size() != 2) {
                        throw new TemplateFailure(function + "() needs pairs, found " + both.size() + " values");
                    }
                    entries.put(evaluator.operators().key(both.get(0)), both.get(1));
                }
            }
        }
        entries.putAll(arguments.named());
        return entries;
    }
}
