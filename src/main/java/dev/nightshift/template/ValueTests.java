package dev.nightshift.template;

import dev.nightshift.template.Expr.BinaryOperator;
import dev.nightshift.template.Expr.ComparisonOperator;
import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.Loop;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Range;
import dev.nightshift.template.Value.Real;
import dev.nightshift.template.Value.Undefined;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Predicate;

/** What can stand after {@code is}. */
final class ValueTests {
    /** A test's code. */
    @FunctionalInterface
    interface Test {
        boolean holds(Evaluator evaluator, Value value, Arguments arguments);
    }

    private static final Map<String, Test> TESTS = new HashMap<>();

    static {
        TESTS.put("odd", (e, v, a) -> remainder(e, v, Int.of(2), Int.of(1)));
        TESTS.put("even", (e, v, a) -> remainder(e, v, Int.of(2), Int.of(0)));
        TESTS.put("divisibleby", (e, v, a) -> remainder(e, v, other(a, "num"), Int.of(0)));
        put("defined", v -> !(v instanceof Undefined));
        put("undefined", v -> v instanceof Undefined);
        put("none", v -> v == None.NONE);
        put("boolean", v -> v instanceof Bool);
        put("true", v -> v instanceof Bool bool && bool.value());
        put("false", v -> v instanceof Bool bool && !bool.value());
        put("integer", v -> v instanceof Int);
        put("float", v -> v instanceof Real);
        put("number", Numbers::isNumber);
        put("string", v -> v instanceof Text);
        put("mapping", v -> v instanceof Dict);
        put(
                "sequence",
                v -> v instanceof Undefined
                        || v instanceof Text
                        || v instanceof Items
                        || v instanceof Dict
                        || v instanceof Range);
        put("callable", v -> v instanceof Function || v instanceof Undefined || v instanceof Loop);
        put("escaped", v -> v instanceof Text text && text.isMarkup());
        TESTS.put("iterable", (e, v, a) -> e.operators().isIterable(v));
        TESTS.put("lower", (e, v, a) -> TextCase.isLower(e.str(v).string()));
        TESTS.put("upper", (e, v, a) -> TextCase.isUpper(e.str(v).string()));
        TESTS.put("filter", (e, v, a) -> v instanceof Text name && Filters.exists(name.string()));
        TESTS.put("test", (e, v, a) -> v instanceof Text name && TESTS.containsKey(name.string()));
        TESTS.put("sameas", (e, v, a) -> same(v, other(a, "other")));
        TESTS.put("in", (e, v, a) -> e.operators().contains(other(a, "seq"), v));
        compare(ComparisonOperator.EQUAL, "==", "eq", "equalto");
        compare(ComparisonOperator.NOT_EQUAL, "!=", "ne");
        compare(ComparisonOperator.GREATER, ">", "gt", "greaterthan");
        compare(ComparisonOperator.GREATER_OR_EQUAL, ">=", "ge");
        compare(ComparisonOperator.LESS, "<", "lt", "lessthan");
        compare(ComparisonOperator.LESS_OR_EQUAL, "<=", "le");
    }

    private ValueTests() {}

    static Test named(String name) {
        return TESTS.get(name);
    }

    private static void put(String name, Predicate<Value> predicate) {
        TESTS.put(name, (e, v, a) -> {
            a.bind(name);
            return predicate.test(v);
        });
    }

    private static void compare(ComparisonOperator operator, String... names) {
        for (String name : names) {
            TESTS.put(name, (e, v, a) -> e.operators().compare(operator, v, other(a, "other")));
        }
    }

    private static Value other(Arguments arguments, String name) {
        return arguments.bindRequired("a test", 1, name)[0];
    }

    private static boolean remainder(Evaluator e, Value value, Value divisor, Value expected) {
        if (value instanceof Text) {
            throw new TemplateFailure("not all arguments converted during string formatting");
        }
        return e.operators().equal(e.operators().binary(BinaryOperator.MODULO, value, divisor), expected);
    }

    /** Python's {@code is}, where small values are shared. */
    private static boolean same(Value left, Value right) {
        if (left == right) {
            return true;
        }
        return left.getClass() == right.getClass()
                && (left instanceof Bool || left instanceof Int || left instanceof Text)
                && left.equals(right);
    }
}
