package dev.nightshift.template;

import java.util.List;

/** An expression of a template. */
sealed interface Expr {
    record Const(Value value) implements Expr {}

    record Name(String name) implements Expr {}

    /** {@code target.name}. */
    record Attribute(Expr target, Text name, int line) implements Expr {}

    /** {@code target[index]}. */
    record Subscript(Expr target, Expr index, int line) implements Expr {}

    /** {@code from:to:step} inside a subscript; each may be null. */
    record Slice(Expr from, Expr to, Expr step) implements Expr {}

    record Call(Expr callee, CallArguments arguments, int line) implements Expr {}

    record Filter(Expr input, String name, CallArguments arguments, int line) implements Expr {}

    record Test(Expr input, String name, CallArguments arguments, int line) implements Expr {}

    record Not(Expr operand) implements Expr {}

    record Sign(boolean minus, Expr operand, int line) implements Expr {}

    record Binary(BinaryOperator operator, Expr left, Expr right, int line) implements Expr {}

    record Concat(List<Expr> parts, int line) implements Expr {}

    record Compare(Expr first, List<Comparison> rest, int line) implements Expr {}

    record And(Expr left, Expr right) implements Expr {}

    record Or(Expr left, Expr right) implements Expr {}

    /** {@code then if test else otherwise}; {@code otherwise} may be null. */
    record Conditional(Expr test, Expr then, Expr otherwise) implements Expr {}

    record ListLiteral(boolean tuple, List<Expr> items) implements Expr {}

    record DictLiteral(List<Expr> keys, List<Expr> values) implements Expr {}

    /** One link of a comparison chain. */
    record Comparison(ComparisonOperator operator, Expr operand) {}

    /** Arguments as written; {@code star} and {@code doubleStar} may be null. */
    record CallArguments(List<Expr> positional, List<Named> named, Expr star, Expr doubleStar) {
        static final CallArguments NONE = new CallArguments(List.of(), List.of(), null, null);
    }

    record Named(Text name, Expr value) {}

    enum BinaryOperator {
        ADD,
        SUBTRACT,
        MULTIPLY,
        DIVIDE,
        FLOOR_DIVIDE,
        MODULO,
        POWER
    }

    enum ComparisonOperator {
        EQUAL,
        NOT_EQUAL,
        LESS,
        LESS_OR_EQUAL,
        GREATER,
        GREATER_OR_EQUAL,
        IN,
        NOT_IN
    }
}
