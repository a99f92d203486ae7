package dev.nightshift.template;

import java.math.BigInteger;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What a template expression can be: Python's values as far as templates meet them. All but namespaces, loops, cyclers and
 * streams are immutable, as in the sandbox. {@code equals} and {@code hashCode} are Python's {@code ==} and {@code hash}.
 */
sealed interface Value
        permits Text,
                Value.None,
                Value.Undefined,
                Value.Bool,
                Value.Int,
                Value.Real,
                Value.Items,
                Value.Dict,
                Value.View,
                Value.Range,
                Value.Stream,
                Value.Namespace,
                Value.Function,
                Value.Loop,
                Value.Cycler {

    /** Python's None. */
    enum None implements Value {
        NONE
    }

    /**
     * A name or attribute that does not exist: empty when printed, an error when used.
     *
     * @param message what the error says
     */
    record Undefined(String message) implements Value {
        @Override
        public boolean equals(Object other) {
            return other instanceof Undefined;
        }

        @Override
        public int hashCode() {
            return 0;
        }
    }

    /** A truth value; equal to 0 or 1. */
    record Bool(boolean value) implements Value {
        static final Bool TRUE = new Bool(true);
        static final Bool FALSE = new Bool(false);

        static Bool of(boolean value) {
            return value ? TRUE : FALSE;
        }

        @Override
        public boolean equals(Object other) {
            return Numbers.sameNumber(this, other);
        }

        @Override
        public int hashCode() {
            return value ? 1 : 0;
        }
    }

    /** A whole number of any size up to the limit. */
    record Int(BigInteger value) implements Value {
        private static final Int[] SMALL = new Int[1025];

        static {
            for (int i = 0; i < SMALL.length; i++) {
                SMALL[i] = new Int(BigInteger.valueOf(i - 1));
            }
        }

        static Int of(long value) {
            return value >= -1 && value < SMALL.length - 1
                    ? SMALL[(int) value + 1]
                    : new Int(BigInteger.valueOf(value));
        }

        @Override
        public boolean equals(Object other) {
            return Numbers.sameNumber(this, other);
        }

        @Override
        public int hashCode() {
            return value.hashCode();
        }
    }

    /** A double. */
    record Real(double value) implements Value {
        @Override
        public boolean equals(Object other) {
            return Numbers.sameNumber(this, other);
        }

        @Override
        public int hashCode() {
            return Numbers.hash(value);
        }
    }

    /** A list or a tuple. */
    record Items(boolean tuple, List<Value> list, Extent extent) implements Value {
        static Items list(Budget budget, List<Value> items) {
            return of(budget, false, items);
        }

        static Items tuple(Budget budget, List<Value> items) {
            return of(budget, true, items);
        }

        static Items of(Budget budget, boolean tuple, List<Value> items) {
            budget.items(items.size());
            return new Items(tuple, items, Extent.of(budget, List.of(items)));
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Items items && tuple == items.tuple && list.equals(items.list);
        }

        @Override
        public int hashCode() {
            return list.hashCode();
        }
    }

    /** A dictionary in insertion order. */
    record Dict(Map<Value, Value> entries, Extent extent) implements Value {
        static Dict of(Budget budget, Map<Value, Value> entries) {
            budget.items(entries.size());
            return new Dict(entries, Extent.of(budget, List.of(entries.keySet(), entries.values())));
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Dict dict && entries.equals(dict.entries);
        }

        @Override
        public int hashCode() {
            return entries.hashCode();
        }
    }

    /** A dictionary's keys(), values() or items(). */
    record View(Kind kind, Dict dict) implements Value {
        enum Kind {
            KEYS,
            VALUES,
            ITEMS
        }
    }

    /** Python's range. */
    record Range(long start, long stop, long step, int size) implements Value {
        Int at(int index) {
            return Int.of(start + step * index);
        }
    }

    /** A generator: can be gone through once. */
    final class Stream implements Value {
        private final Supplier<Iterator<Value>> source;
        private Iterator<Value> rest;

        /** The source is asked once, when the first item is wanted. */
        Stream(Supplier<Iterator<Value>> source) {
            this.source = source;
        }

        Iterator<Value> rest() {
            if (rest == null) {
                rest = source.get();
            }
            return rest;
        }
    }

    /** The one value that a template can change. */
    final class Namespace implements Value {
        private final Map<Text, Value> attributes = new LinkedHashMap<>();

        Map<Text, Value> attributes() {
            return attributes;
        }

        void set(Text name, Value value) {
            if (name.string().startsWith("_")) {
                throw new TemplateFailure("a namespace cannot have the attribute '" + name + "'");
            }
            attributes.put(name, value);
        }
    }

    /** Something to call: a macro, a global function, or a method bound to its object. */
    record Function(String name, Body body) implements Value {
        /** The code of it. */
        @FunctionalInterface
        interface Body {
            Value call(Arguments arguments);
        }
    }

    /** The {@code loop} variable. */
    final class Loop implements Value {
        final List<Value> items;
        final int depth0;
        final Function recurse;
        int index0 = -1;
        Items lastChanged;

        Loop(List<Value> items, int depth0, Function recurse) {
            this.items = items;
            this.depth0 = depth0;
            this.recurse = recurse;
        }
    }

    /** Goes round a list, one item per call. */
    final class Cycler implements Value {
        final List<Value> items;
        int position;

        Cycler(List<Value> items) {
            this.items = items;
        }
    }

    /**
     * How large a list or dictionary is, known when it is made, since it never changes.
     *
     * @param depth levels of nesting, bounded
     * @param weight values and characters in it, each counted as often as it occurs: what comparing or printing it costs
     */
    record Extent(int depth, long weight) {
        private static final Extent SCALAR = new Extent(0, 1);
        private static final long WEIGHT_MAX = Long.MAX_VALUE / 4;

        static Extent of(Value value) {
            return switch (value) {
                case Items items -> items.extent;
                case Dict dict -> dict.extent;
                case View view -> view.dict.extent;
                case Text text -> new Extent(0, 1 + text.length());
                default -> SCALAR;
            };
        }

        private static Extent of(Budget budget, List<? extends Iterable<Value>> parts) {
            int depth = 0;
            long weight = 1;
            for (Iterable<Value> part : parts) {
                for (Value value : part) {
                    if (value instanceof Text text) {
                        weight += 1 + text.length();
                    } else {
                        Extent extent = of(value);
                        depth = Math.max(depth, extent.depth);
                        weight += extent.weight;
                    }
                    weight = Math.min(weight, WEIGHT_MAX);
                }
            }
            if (depth >= budget.limits().nesting()) {
                throw new TemplateFailure(
                        "values nested deeper than " + budget.limits().nesting() + " levels");
            }
            return new Extent(depth + 1, weight);
        }
    }
}
