package dev.nightshift.template;

import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Cycler;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.Loop;
import dev.nightshift.template.Value.Namespace;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Range;
import dev.nightshift.template.Value.Undefined;
import dev.nightshift.template.Value.View;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * {@code a.b}, {@code a[b]} and slices. Methods are a fixed table per type; those that change their object are refused, as the
 * immutable sandbox does.
 */
final class Attributes {
    private static final Set<String> LIST_CHANGES =
            Set.of("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort");
    private static final Set<String> DICT_CHANGES = Set.of("clear", "pop", "popitem", "setdefault", "update");

    private final Evaluator evaluator;
    private final Budget budget;

    Attributes(Evaluator evaluator) {
        this.evaluator = evaluator;
        this.budget = evaluator.budget();
    }

    /** {@code target.name}: a method or attribute, else the item of that key. */
    Value attribute(Value target, Text name) {
        Operators.requireDefined(target);
        Value own = own(target, name);
        if (own != null) {
            return own;
        }
        Value item = target instanceof Dict dict ? dict.entries().get(name) : null;
        return item != null ? item : missing(target, name);
    }

    /** {@code target[index]}: an item, else the method or attribute of that name. */
    Value item(Value target, Value index) {
        Operators.requireDefined(target);
        Value item = ownItem(target, index);
        if (item == null && index instanceof Text name) {
            item = own(target, name);
        }
        return item != null ? item : missing(target, index);
    }

    private Undefined missing(Value target, Value key) {
        if (key instanceof Text name) {
            return new Undefined("'" + Types.objectName(target) + "' has no attribute '" + shortened(name) + "'");
        }
        return new Undefined(Types.objectName(target) + " has no element "
                + (key instanceof Int number ? number.value().toString() : "of this key"));
    }

    private static String shortened(Text name) {
        return name.length() > 100 ? name.string().substring(0, 100) + "..." : name.string();
    }

    private Value ownItem(Value target, Value index) {
        return switch (target) {
            case Dict dict -> {
                budget.scan(Operators.weight(index));
                yield Operators.isHashable(index) ? dict.entries().get(index) : null;
            }
            case Items items -> {
                int at = position(index, items.list().size());
                yield at < 0 ? null : items.list().get(at);
            }
            case Range range -> {
                int at = position(index, range.size());
                yield at < 0 ? null : range.at(at);
            }
            case Text text -> {
                if (Numbers.whole(index) == null) {
                    yield null;
                }
                budget.scan(text.length());
                int count = text.string().codePointCount(0, text.length());
                int at = position(index, count);
                if (at < 0) {
                    yield null;
                }
                int from = text.string().offsetByCodePoints(0, at);
                yield text.slice(from, text.string().offsetByCodePoints(from, 1));
            }
            default -> null;
        };
    }

    private static int position(Value index, int size) {
        if (Numbers.whole(index) == null) {
            return -1;
        }
        int at = Numbers.saturated(Numbers.whole(index));
        int found = at < 0 ? at + size : at;
        return found >= 0 && found < size ? found : -1;
    }

    /** A method or attribute of the type, or null. */
    private Value own(Value target, Text attribute) {
        String name = attribute.string();
        return switch (target) {
            case Text text -> TextMethods.method(evaluator, text, name);
            case Dict dict -> DICT_CHANGES.contains(name) ? unsafe(target, name) : dictMethod(dict, name);
            case Items items -> {
                if (!items.tuple() && LIST_CHANGES.contains(name)) {
                    yield unsafe(target, name);
                }
                yield name.equals("copy") && !items.tuple() ? new Function(name, _ -> items) : listMethod(items, name);
            }
            case Range _ -> listMethod(target, name);
            case Namespace namespace -> namespace.attributes().get(attribute);
            case Loop loop -> LoopAttributes.get(evaluator, loop, name);
            case Cycler cycler -> cyclerAttribute(cycler, name);
            default -> null;
        };
    }

    private static Undefined unsafe(Value target, String name) {
        return new Undefined("access to attribute '" + name + "' of '" + Types.name(target) + "' object is unsafe.");
    }

    private Value dictMethod(Dict dict, String name) {
        return switch (name) {
            case "keys" -> view(dict, name, View.Kind.KEYS);
            case "values" -> view(dict, name, View.Kind.VALUES);
            case "items" -> view(dict, name, View.Kind.ITEMS);
            case "copy" ->
                new Function(name, arguments -> {
                    arguments.bind(name);
                    return dict;
                });
            case "get" ->
                new Function(name, arguments -> {
                    if (!arguments.named().isEmpty()) {
                        throw new TemplateFailure("get() takes no keyword arguments");
                    }
                    Value[] bound = arguments.bindRequired(name, 1, "key", "default");
                    Value found = dict.entries().get(evaluator.operators().key(bound[0]));
                    return found != null ? found : bound[1] != null ? bound[1] : None.NONE;
                });
            default -> null;
        };
    }

    private static Function view(Dict dict, String name, View.Kind kind) {
        return new Function(name, arguments -> {
            arguments.bind(name);
            return new View(kind, dict);
        });
    }

    private Value listMethod(Value sequence, String name) {
        return switch (name) {
            case "count" ->
                new Function(name, arguments -> {
                    Value wanted = arguments.bindRequired(name, 1, "value")[0];
                    long count = evaluator.operators().items(sequence).stream()
                            .filter(item -> evaluator.operators().equal(item, wanted))
                            .count();
                    return Int.of(count);
                });
            case "index" ->
                new Function(name, arguments -> {
                    Value wanted = arguments.bindRequired(name, 1, "value")[0];
                    List<Value> items = evaluator.operators().items(sequence);
                    for (int i = 0; i < items.size(); i++) {
                        if (evaluator.operators().equal(items.get(i), wanted)) {
                            return Int.of(i);
                        }
                    }
                    throw new TemplateFailure("the value is not in the " + Types.name(sequence));
                });
            default -> null;
        };
    }

    private Value cyclerAttribute(Cycler cycler, String name) {
        return switch (name) {
            case "current" -> cycler.items.get(cycler.position);
            case "next" ->
                new Function(name, arguments -> {
                    arguments.bind(name);
                    Value current = cycler.items.get(cycler.position);
                    cycler.position = (cycler.position + 1) % cycler.items.size();
                    return current;
                });
            case "reset" ->
                new Function(name, arguments -> {
                    arguments.bind(name);
                    cycler.position = 0;
                    return None.NONE;
                });
            case "pos" -> Int.of(cycler.position);
            default -> null;
        };
    }

    /** {@code target[from:to:step]}; a bound that is absent is null. */
    Value slice(Value target, Value from, Value to, Value step) {
        Operators.requireDefined(target);
        if (!(target instanceof Text || target instanceof Items || target instanceof Range)) {
            throw new TemplateFailure("'" + Types.name(target) + "' object cannot be sliced");
        }
        int stride = step == null || step == None.NONE ? 1 : Numbers.index(step, "a slice's step");
        if (stride == 0) {
            throw new TemplateFailure("a slice's step cannot be zero");
        }
        if (target instanceof Text text && stride == 1) {
            return sliceText(text, from, to);
        }
        List<Value> all = evaluator.operators().items(target);
        int size = all.size();
        int low = stride < 0 ? -1 : 0;
        int high = stride < 0 ? size - 1 : size;
        int start = bound(from, size, low, high, stride < 0 ? high : low);
        int end = bound(to, size, low, high, stride < 0 ? low : high);
        List<Value> picked = new ArrayList<>();
        for (long i = start; stride < 0 ? i > end : i < end; i += stride) {
            picked.add(all.get((int) i));
        }
        if (target instanceof Text text) {
            TextBuilder out = new TextBuilder(budget);
            picked.forEach(part -> out.append((Text) part));
            return out.toText().like(text);
        }
        if (target instanceof Range range) {
            return new Range(
                    range.start() + range.step() * start,
                    range.start() + range.step() * end,
                    range.step() * stride,
                    picked.size());
        }
        return Items.of(budget, ((Items) target).tuple(), picked);
    }

    private static int bound(Value bound, int size, int low, int high, int absent) {
        if (bound == null || bound == None.NONE) {
            return absent;
        }
        int at = Numbers.index(bound, "a slice's bound");
        return Math.clamp(at < 0 ? at + (long) size : at, low, high);
    }

    private Text sliceText(Text text, Value from, Value to) {
        budget.scan(text.length());
        int size = text.string().codePointCount(0, text.length());
        int start = bound(from, size, 0, size, 0);
        int end = bound(to, size, 0, size, size);
        if (start >= end) {
            return text.slice(0, 0);
        }
        if (size == text.length()) {
            return text.slice(start, end);
        }
        int first = text.string().offsetByCodePoints(0, start);
        return text.slice(first, text.string().offsetByCodePoints(first, end - start));
    }

    /** A value looked up by a filter's {@code attribute} argument: a dotted path, whole numbers as positions. */
    Value path(Value start, Value path) {
        return path(start, path, null);
    }

    /** As above; {@code fallback} (may be null or None) stands for what is undefined on the way. */
    Value path(Value start, Value path, Value fallback) {
        if (path instanceof Text text) {
            Value value = start;
            for (String part : text.string().split("\\.", -1)) {
                boolean digits =
                        !part.isEmpty() && part.length() < 10 && part.chars().allMatch(c -> c >= '0' && c <= '9');
                value = orElse(item(value, digits ? Int.of(Long.parseLong(part)) : Text.trusted(part)), fallback);
            }
            return value;
        }
        return orElse(item(start, path instanceof Bool ? Numbers.of(Numbers.whole(path)) : path), fallback);
    }

    private static Value orElse(Value value, Value fallback) {
        return value instanceof Undefined && fallback != null && fallback != None.NONE ? fallback : value;
    }
}
