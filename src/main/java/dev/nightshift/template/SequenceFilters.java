package dev.nightshift.template;

import dev.nightshift.template.Expr.BinaryOperator;
import dev.nightshift.template.Expr.ComparisonOperator;
import dev.nightshift.template.Filters.Filter;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Stream;
import dev.nightshift.template.Value.Undefined;
import dev.nightshift.template.Value.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;

/** The filters on lists and dictionaries. */
final class SequenceFilters {
    private SequenceFilters() {}

    static Map<String, Filter> all() {
        Map<String, Filter> filters = new HashMap<>();
        filters.put("batch", lazy(SequenceFilters::batch));
        filters.put("count", (e, v, a) -> Int.of(e.operators().length(v)));
        filters.put("dictsort", SequenceFilters::dictSort);
        filters.put("first", SequenceFilters::first);
        filters.put("groupby", SequenceFilters::groupBy);
        filters.put("items", lazy(SequenceFilters::items));
        filters.put("join", SequenceFilters::join);
        filters.put("last", SequenceFilters::last);
        filters.put("length", (e, v, a) -> Int.of(e.operators().length(v)));
        filters.put("list", (e, v, a) -> Items.list(e.budget(), e.operators().items(v)));
        filters.put("map", SequenceFilters::map);
        filters.put("max", (e, v, a) -> extreme(e, v, a, true));
        filters.put("min", (e, v, a) -> extreme(e, v, a, false));
        filters.put("reject", (e, v, a) -> select(e, v, a, false, false));
        filters.put("rejectattr", (e, v, a) -> select(e, v, a, false, true));
        filters.put("reverse", SequenceFilters::reverse);
        filters.put("select", (e, v, a) -> select(e, v, a, true, false));
        filters.put("selectattr", (e, v, a) -> select(e, v, a, true, true));
        filters.put("slice", lazy(SequenceFilters::slice));
        filters.put("sort", SequenceFilters::sort);
        filters.put("sum", SequenceFilters::sum);
        filters.put("unique", lazy(SequenceFilters::unique));
        return filters;
    }

    /** What these filters make in Python is only made when it is asked for, and so are its errors. */
    private static Filter lazy(Generator generator) {
        return (e, v, a) -> new Stream(() -> generator.apply(e, v, a).iterator());
    }

    @FunctionalInterface
    private interface Generator {
        List<Value> apply(Evaluator evaluator, Value input, Arguments arguments);
    }

    private static Stream stream(List<Value> values) {
        return new Stream(values::iterator);
    }

    private static List<Value> batch(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bindRequired("batch", 1, "linecount", "fill_with");
        int size = Numbers.index(bound[0], "a line's size");
        List<Value> items = e.operators().items(value);
        if (size <= 0) {
            throw new TemplateFailure("batch: the line's size must be positive");
        }
        List<Value> lines = new ArrayList<>();
        for (int from = 0; from < items.size(); from += size) {
            List<Value> line = new ArrayList<>(items.subList(from, Math.min(from + size, items.size())));
            if (bound[1] != null && bound[1] != None.NONE) {
                e.budget().items(size);
                line.addAll(Collections.nCopies(size - line.size(), bound[1]));
            }
            lines.add(Items.list(e.budget(), line));
        }
        return lines;
    }

    private static List<Value> slice(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bindRequired("slice", 1, "slices", "fill_with");
        int slices = Numbers.index(bound[0], "the number of slices");
        List<Value> items = e.operators().items(value);
        if (slices <= 0) {
            throw new TemplateFailure("slice: the number of slices must be positive");
        }
        e.budget().items(slices);
        int size = items.size() / slices;
        int longer = items.size() % slices;
        List<Value> parts = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < slices; i++) {
            int to = from + size + (i < longer ? 1 : 0);
            List<Value> part = new ArrayList<>(items.subList(from, to));
            if (bound[1] != null && bound[1] != None.NONE && i >= longer) {
                part.add(bound[1]);
            }
            parts.add(Items.list(e.budget(), part));
            from = to;
        }
        return parts;
    }

    private static Value first(Evaluator e, Value value, Arguments arguments) {
        if (value instanceof Stream stream) {
            return stream.rest().hasNext() ? stream.rest().next() : noItem("first");
        }
        List<Value> items = e.operators().items(value);
        return items.isEmpty() ? noItem("first") : items.getFirst();
    }

    private static Value last(Evaluator e, Value value, Arguments arguments) {
        if (value instanceof Stream) {
            throw new TemplateFailure("'generator' object is not reversible");
        }
        List<Value> items = e.operators().items(value);
        return items.isEmpty() ? noItem("last") : items.getLast();
    }

    private static Undefined noItem(String which) {
        return new Undefined("No " + which + " item, sequence was empty.");
    }

    private static List<Value> items(Evaluator e, Value value, Arguments arguments) {
        if (value instanceof Undefined) {
            return List.of();
        }
        if (!(value instanceof Dict dict)) {
            throw new TemplateFailure("Can only get item pairs from a mapping.");
        }
        return e.operators().items(new View(View.Kind.ITEMS, dict));
    }

    private static Value join(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("join", "d", "attribute");
        Text separator = bound[0] == null ? Text.EMPTY : e.str(bound[0]);
        TextBuilder out = new TextBuilder(e.budget());
        boolean first = true;
        for (Value item : e.operators().items(value)) {
            if (!first) {
                out.append(separator);
            }
            boolean whole = bound[1] == null || bound[1] == None.NONE;
            out.append(e.str(whole ? item : e.attributes().path(item, bound[1])));
            first = false;
        }
        return out.toText();
    }

    private static Value reverse(Evaluator e, Value value, Arguments arguments) {
        if (value instanceof Text text) {
            return e.attributes().slice(text, null, null, Int.of(-1));
        }
        List<Value> reversed = new ArrayList<>(e.operators().items(value));
        Collections.reverse(reversed);
        return value instanceof Stream ? Items.list(e.budget(), reversed) : stream(reversed);
    }

    private static Value map(Evaluator e, Value value, Arguments arguments) {
        if (!e.operators().truth(value)) {
            return stream(List.of());
        }
        Value attribute = arguments.named().get(Text.trusted("attribute"));
        UnaryOperator<Value> change;
        if (arguments.positional().isEmpty() && attribute != null) {
            Value fallback = arguments.bind("map", "attribute", "default")[1];
            change = item -> e.attributes().path(item, attribute, fallback);
        } else if (arguments.positional().isEmpty()) {
            throw new TemplateFailure("map requires a filter argument");
        } else {
            String name =
                    TextMethods.text(arguments.positional().getFirst(), "map").string();
            Arguments rest = arguments.rest();
            change = item -> e.filter(name, item, rest);
        }
        return new Stream(() -> e.operators().items(value).stream().map(change).iterator());
    }

    private static Value select(Evaluator e, Value value, Arguments arguments, boolean wanted, boolean byAttribute) {
        if (!e.operators().truth(value)) {
            return stream(List.of());
        }
        if (byAttribute && arguments.positional().isEmpty()) {
            throw new TemplateFailure("Missing parameter for attribute name");
        }
        Value attribute = byAttribute ? arguments.positional().getFirst() : null;
        Arguments rest = byAttribute ? arguments.rest() : arguments;
        String test = rest.positional().isEmpty()
                ? null
                : TextMethods.text(rest.positional().getFirst(), "select").string();
        Arguments testArguments = test == null ? Arguments.NONE : rest.rest();
        return new Stream(() -> e.operators().items(value).stream()
                .filter(item -> {
                    Value subject = byAttribute ? e.attributes().path(item, attribute) : item;
                    boolean holds = test == null ? e.operators().truth(subject) : e.test(test, subject, testArguments);
                    return holds == wanted;
                })
                .iterator());
    }

    /** A value by which to order or group. */
    private static Value key(Evaluator e, Value item, Value attribute, boolean caseSensitive) {
        return key(e, item, attribute, caseSensitive, null);
    }

    private static Value key(Evaluator e, Value item, Value attribute, boolean caseSensitive, Value fallback) {
        boolean whole = attribute == null || attribute == None.NONE;
        Value key = whole ? item : e.attributes().path(item, attribute, fallback);
        return !caseSensitive && key instanceof Text text ? TextCase.lower(e.budget(), text) : key;
    }

    private static Value dictSort(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("dictsort", "case_sensitive", "by", "reverse");
        String by = bound[1] == null ? "key" : e.str(bound[1]).string();
        if (!by.equals("key") && !by.equals("value")) {
            throw new TemplateFailure("You can only sort by either \"key\" or \"value\"");
        }
        Operators.requireDefined(value);
        if (!(value instanceof Dict dict)) {
            throw new TemplateFailure("'" + Types.name(value) + "' object has no attribute 'items'");
        }
        boolean caseSensitive = Filters.flag(e, bound[0]);
        int position = by.equals("key") ? 0 : 1;
        List<Value> pairs = e.operators().items(new View(View.Kind.ITEMS, dict));
        List<Keyed> keyed = new ArrayList<>();
        for (Value pair : pairs) {
            Value part = ((Items) pair).list().get(position);
            keyed.add(new Keyed(key(e, part, null, caseSensitive), pair));
        }
        return Items.list(e.budget(), sorted(e, keyed, Filters.flag(e, bound[2])));
    }

    private static Value sort(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("sort", "reverse", "case_sensitive", "attribute");
        boolean caseSensitive = Filters.flag(e, bound[1]);
        List<Value> attributes = new ArrayList<>();
        if (bound[2] instanceof Text text) {
            for (String name : text.string().split(",", -1)) {
                attributes.add(Text.trusted(name));
            }
        } else {
            attributes.add(bound[2] == null ? None.NONE : bound[2]);
        }
        List<Keyed> keyed = new ArrayList<>();
        for (Value item : e.operators().items(value)) {
            List<Value> keys = new ArrayList<>();
            for (Value attribute : attributes) {
                keys.add(key(e, item, attribute, caseSensitive));
            }
            keyed.add(new Keyed(Items.list(e.budget(), keys), item));
        }
        return Items.list(e.budget(), sorted(e, keyed, Filters.flag(e, bound[0])));
    }

    private record Keyed(Value key, Value item) {
        boolean before(Evaluator e, Keyed other) {
            return e.operators().compare(ComparisonOperator.LESS, key, other.key);
        }
    }

    /**
     * Stable merge sort that only asks "less than", as Python does: the library's own sort throws where an order is not total,
     * as with NaN.
     */
    private static List<Value> sorted(Evaluator e, List<Keyed> keyed, boolean reverse) {
        List<Keyed> order = reverse ? keyed.reversed() : keyed;
        List<Value> items = new ArrayList<>();
        for (Keyed entry : mergeSorted(e, order)) {
            items.add(entry.item());
        }
        return reverse ? items.reversed() : items;
    }

    private static List<Keyed> mergeSorted(Evaluator e, List<Keyed> keyed) {
        if (keyed.size() < 2) {
            return keyed;
        }
        List<Keyed> left = mergeSorted(e, keyed.subList(0, keyed.size() / 2));
        List<Keyed> right = mergeSorted(e, keyed.subList(keyed.size() / 2, keyed.size()));
        List<Keyed> merged = new ArrayList<>(keyed.size());
        int i = 0;
        int j = 0;
        while (i < left.size() && j < right.size()) {
            e.budget().step();
            merged.add(right.get(j).before(e, left.get(i)) ? right.get(j++) : left.get(i++));
        }
        merged.addAll(left.subList(i, left.size()));
        merged.addAll(right.subList(j, right.size()));
        return merged;
    }

    private static Value groupBy(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bindRequired("groupby", 1, "attribute", "default", "case_sensitive");
        boolean caseSensitive = Filters.flag(e, bound[2]);
        List<Keyed> keyed = new ArrayList<>();
        for (Value item : e.operators().items(value)) {
            keyed.add(new Keyed(key(e, item, bound[0], caseSensitive, bound[1]), item));
        }
        List<Value> groups = new ArrayList<>();
        List<Value> members = new ArrayList<>();
        Value current = null;
        for (Value item : sorted(e, keyed, false)) {
            Value key = key(e, item, bound[0], caseSensitive, bound[1]);
            if (current != null && !e.operators().equal(current, key)) {
                groups.add(group(e, members, bound[0], bound[1]));
                members = new ArrayList<>();
            }
            current = key;
            members.add(item);
        }
        if (!members.isEmpty()) {
            groups.add(group(e, members, bound[0], bound[1]));
        }
        return Items.list(e.budget(), groups);
    }

    private static Value group(Evaluator e, List<Value> members, Value attribute, Value fallback) {
        Value grouper = e.attributes().path(members.getFirst(), attribute, fallback);
        return Items.tuple(e.budget(), List.of(grouper, Items.list(e.budget(), members)));
    }

    private static Value extreme(Evaluator e, Value value, Arguments arguments, boolean max) {
        Value[] bound = arguments.bind(max ? "max" : "min", "case_sensitive", "attribute");
        boolean caseSensitive = Filters.flag(e, bound[0]);
        ComparisonOperator better = max ? ComparisonOperator.GREATER : ComparisonOperator.LESS;
        Value best = null;
        Value bestKey = null;
        for (Value item : e.operators().items(value)) {
            Value key = key(e, item, bound[1], caseSensitive);
            if (best == null || e.operators().compare(better, key, bestKey)) {
                best = item;
                bestKey = key;
            }
        }
        return best == null ? new Undefined("No aggregated item, sequence was empty.") : best;
    }

    private static Value sum(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("sum", "attribute", "start");
        Value total = bound[1] == null ? Int.of(0) : bound[1];
        if (total instanceof Text) {
            throw new TemplateFailure("sum() can't sum strings");
        }
        boolean whole = bound[0] == null || bound[0] == None.NONE;
        for (Value item : e.operators().items(value)) {
            Value part = whole ? item : e.attributes().path(item, bound[0]);
            total = e.operators().binary(BinaryOperator.ADD, total, part);
        }
        return total;
    }

    private static List<Value> unique(Evaluator e, Value value, Arguments arguments) {
        Value[] bound = arguments.bind("unique", "case_sensitive", "attribute");
        boolean caseSensitive = Filters.flag(e, bound[0]);
        List<Value> kept = new ArrayList<>();
        Set<Value> seen = new HashSet<>();
        for (Value item : e.operators().items(value)) {
            if (seen.add(e.operators().key(key(e, item, bound[1], caseSensitive)))) {
                kept.add(item);
            }
        }
        return kept;
    }
}
