package dev.nightshift.template;

import dev.nightshift.template.Expr.BinaryOperator;
import dev.nightshift.template.Expr.ComparisonOperator;
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
import dev.nightshift.template.Value.Real;
import dev.nightshift.template.Value.Stream;
import dev.nightshift.template.Value.Undefined;
import dev.nightshift.template.Value.View;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Python's operators on template values. */
final class Operators {
    private final Budget budget;

    Operators(Budget budget) {
        this.budget = budget;
    }

    boolean truth(Value value) {
        return switch (value) {
            case None _, Undefined _ -> false;
            case Bool bool -> bool.value();
            case Int number -> number.value().signum() != 0;
            case Real number -> number.value() != 0;
            case Text text -> !text.isEmpty();
            case Items items -> !items.list().isEmpty();
            case Dict dict -> !dict.entries().isEmpty();
            case View view -> !view.dict().entries().isEmpty();
            case Range range -> range.size() > 0;
            case Loop loop -> !loop.items.isEmpty();
            case Stream _, Namespace _, Function _, Cycler _ -> true;
        };
    }

    /** Python's len. */
    long length(Value value) {
        return switch (value) {
            case Undefined _ -> 0;
            case Text text -> text.string().codePointCount(0, text.length());
            case Items items -> items.list().size();
            case Dict dict -> dict.entries().size();
            case View view -> view.dict().entries().size();
            case Range range -> range.size();
            case Loop loop -> loop.items.size();
            case None _, Bool _, Int _, Real _, Stream _, Namespace _, Function _, Cycler _ ->
                throw new TemplateFailure("object of type '" + Types.name(value) + "' has no len()");
        };
    }

    boolean isIterable(Value value) {
        return switch (value) {
            case Undefined _, Text _, Items _, Dict _, View _, Range _, Stream _, Loop _ -> true;
            case None _, Bool _, Int _, Real _, Namespace _, Function _, Cycler _ -> false;
        };
    }

    /** All items; a stream is used up. The list must not be changed. */
    List<Value> items(Value value) {
        List<Value> items = switch (value) {
            case Undefined _ -> List.of();
            case Text text -> characters(text);
            case Items list -> list.list();
            case Dict dict -> new ArrayList<>(dict.entries().keySet());
            case View view -> viewItems(view);
            case Range range -> {
                budget.items(range.size());
                List<Value> numbers = new ArrayList<>(range.size());
                for (int i = 0; i < range.size(); i++) {
                    numbers.add(range.at(i));
                }
                yield numbers;
            }
            case Stream stream -> {
                List<Value> rest = new ArrayList<>();
                stream.rest().forEachRemaining(rest::add);
                yield rest;
            }
            case Loop loop -> loop.items;
            case None _, Bool _, Int _, Real _, Namespace _, Function _, Cycler _ ->
                throw new TemplateFailure("'" + Types.name(value) + "' object is not iterable");
        };
        budget.items(items.size());
        return items;
    }

    private List<Value> characters(Text text) {
        budget.items(text.length());
        List<Value> characters = new ArrayList<>(text.length());
        Text plain = text.asPlain();
        String string = text.string();
        for (int at = 0; at < string.length(); ) {
            int next = at + Character.charCount(string.codePointAt(at));
            characters.add(plain.slice(at, next));
            at = next;
        }
        return characters;
    }

    private List<Value> viewItems(View view) {
        Map<Value, Value> entries = view.dict().entries();
        return switch (view.kind()) {
            case KEYS -> new ArrayList<>(entries.keySet());
            case VALUES -> new ArrayList<>(entries.values());
            case ITEMS -> {
                List<Value> pairs = new ArrayList<>(entries.size());
                for (Map.Entry<Value, Value> entry : entries.entrySet()) {
                    pairs.add(Items.tuple(budget, List.of(entry.getKey(), entry.getValue())));
                }
                yield pairs;
            }
        };
    }

    boolean equal(Value left, Value right) {
        if (left == right) {
            return !(left instanceof Real number && Double.isNaN(number.value()));
        }
        budget.scan(Math.min(weight(left), weight(right)));
        return left.equals(right);
    }

    /** What looking at all of a value costs. */
    static long weight(Value value) {
        return Value.Extent.of(value).weight();
    }

    boolean compare(ComparisonOperator operator, Value left, Value right) {
        return switch (operator) {
            case EQUAL -> equal(left, right);
            case NOT_EQUAL -> !equal(left, right);
            case IN -> contains(right, left);
            case NOT_IN -> !contains(right, left);
            case LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL -> {
                int order = order(left, right);
                yield switch (operator) {
                    case LESS -> order == -1;
                    case LESS_OR_EQUAL -> order <= 0;
                    case GREATER -> order == 1;
                    default -> order == 0 || order == 1;
                };
            }
        };
    }

    /** -1, 0, 1, or 2 where a NaN takes part. */
    int order(Value left, Value right) {
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            return Numbers.compare(left, right);
        }
        if (left instanceof Text a && right instanceof Text b) {
            budget.scan(Math.min(a.length(), b.length()));
            return orderStrings(a.string(), b.string());
        }
        if (left instanceof Items a && right instanceof Items b && a.tuple() == b.tuple()) {
            for (int i = 0; i < Math.min(a.list().size(), b.list().size()); i++) {
                budget.step();
                if (!equal(a.list().get(i), b.list().get(i))) {
                    return order(a.list().get(i), b.list().get(i));
                }
            }
            return Integer.compare(a.list().size(), b.list().size());
        }
        requireDefined(left);
        requireDefined(right);
        throw new TemplateFailure("cannot order '" + Types.name(left) + "' and '" + Types.name(right) + "' by size");
    }

    /** By code points, not UTF-16 units. */
    private static int orderStrings(String a, String b) {
        int length = Math.min(a.length(), b.length());
        for (int i = 0; i < length; i++) {
            char x = a.charAt(i);
            char y = b.charAt(i);
            if (x != y) {
                boolean surrogateX = Character.isSurrogate(x);
                boolean surrogateY = Character.isSurrogate(y);
                return surrogateX == surrogateY ? Integer.signum(Character.compare(x, y)) : surrogateX ? 1 : -1;
            }
        }
        return Integer.signum(Integer.compare(a.length(), b.length()));
    }

    /** Python's {@code item in container}. */
    boolean contains(Value container, Value item) {
        switch (container) {
            case Text text -> {
                if (!(item instanceof Text part)) {
                    throw new TemplateFailure("'in <string>' requires string as left operand, not " + Types.name(item));
                }
                budget.scan(text.length());
                return text.string().contains(part.string());
            }
            case Dict dict -> {
                return dict.entries().containsKey(key(item));
            }
            case View view
            when view.kind() == View.Kind.KEYS -> {
                return view.dict().entries().containsKey(key(item));
            }
            case Range range -> {
                BigInteger number = Numbers.whole(item);
                if (number == null && item instanceof Real real && real.value() == Math.rint(real.value())) {
                    number = new java.math.BigDecimal(real.value()).toBigInteger();
                }
                if (number == null) {
                    return false;
                }
                BigInteger[] parts = number.subtract(BigInteger.valueOf(range.start()))
                        .divideAndRemainder(BigInteger.valueOf(range.step()));
                return parts[1].signum() == 0
                        && parts[0].signum() >= 0
                        && parts[0].compareTo(BigInteger.valueOf(range.size())) < 0;
            }
            case Stream stream -> {
                for (Iterator<Value> rest = stream.rest(); rest.hasNext(); ) {
                    if (equal(rest.next(), item)) {
                        return true;
                    }
                }
                return false;
            }
            default -> {
                if (!isIterable(container)) {
                    throw new TemplateFailure("argument of type '" + Types.name(container) + "' is not iterable");
                }
                for (Value candidate : items(container)) {
                    if (equal(candidate, item)) {
                        return true;
                    }
                }
                return false;
            }
        }
    }

    /** The value as a dictionary's key. */
    Value key(Value value) {
        budget.scan(weight(value));
        requireHashable(value);
        return value;
    }

    private static void requireHashable(Value value) {
        if (value instanceof Items items && items.tuple()) {
            items.list().forEach(Operators::requireHashable);
        } else if (!isHashable(value)) {
            throw new TemplateFailure("unhashable type: '" + Types.name(value) + "'");
        }
    }

    /** Whether a dictionary could have such a key; of tuples, whether they themselves are no hindrance. */
    static boolean isHashable(Value value) {
        return !(value instanceof Dict || value instanceof Namespace || value instanceof View)
                && !(value instanceof Items items && !items.tuple());
    }

    static void requireDefined(Value value) {
        if (value instanceof Undefined undefined) {
            throw new TemplateFailure(undefined.message());
        }
    }

    Value binary(BinaryOperator operator, Value left, Value right) {
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            return Numbers.apply(operator, left, right);
        }
        switch (operator) {
            case ADD -> {
                if (left instanceof Text a && right instanceof Text b) {
                    return addText(a, b);
                }
                if (left instanceof Items a && right instanceof Items b && a.tuple() == b.tuple()) {
                    budget.items((long) a.list().size() + b.list().size());
                    List<Value> joined = new ArrayList<>(a.list());
                    joined.addAll(b.list());
                    return Items.of(budget, a.tuple(), joined);
                }
            }
            case MULTIPLY -> {
                if (Numbers.whole(right) != null && (left instanceof Text || left instanceof Items)) {
                    return repeat(left, Numbers.saturated(Numbers.whole(right)));
                }
                if (Numbers.whole(left) != null && (right instanceof Text || right instanceof Items)) {
                    return repeat(right, Numbers.saturated(Numbers.whole(left)));
                }
            }
            case MODULO -> {
                if (left instanceof Text format) {
                    return new PercentFormat(this, budget).format(format, right);
                }
            }
            case SUBTRACT, DIVIDE, FLOOR_DIVIDE, POWER -> {}
        }
        requireDefined(left);
        requireDefined(right);
        throw new TemplateFailure(
                "unsupported operand types for " + operator.name().toLowerCase(java.util.Locale.ROOT) + ": '"
                        + Types.name(left) + "' and '" + Types.name(right) + "'");
    }

    private Text addText(Text left, Text right) {
        if (left.isMarkup() || right.isMarkup()) {
            Text a = left.isMarkup() ? left : Html.escape(budget, left);
            Text b = right.isMarkup() ? right : Html.escape(budget, right);
            return new TextBuilder(budget).append(a).append(b).toText().asMarkup();
        }
        if (right.isEmpty()) {
            return left;
        }
        return left.isEmpty()
                ? right
                : new TextBuilder(budget).append(left).append(right).toText();
    }

    private Value repeat(Value value, int times) {
        if (value instanceof Text text) {
            return new TextBuilder(budget).repeat(text, times).toText().like(text);
        }
        Items items = (Items) value;
        budget.items((long) items.list().size() * Math.max(times, 0));
        List<Value> repeated = new ArrayList<>();
        for (int i = 0; i < times && !items.list().isEmpty(); i++) {
            repeated.addAll(items.list());
        }
        return Items.of(budget, items.tuple(), repeated);
    }
}
