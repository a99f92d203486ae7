package dev.nightshift.template;

import java.util.List;

/** A statement of a template. */
sealed interface Stmt {
    /** Text between tags. */
    record Literal(Text text) implements Stmt {}

    record Output(Expr value, int line) implements Stmt {}

    record If(List<Branch> branches, List<Stmt> otherwise) implements Stmt {}

    /** An {@code if} or {@code elif}. */
    record Branch(Expr test, List<Stmt> body, int line) {}

    /** {@code filter} may be null. */
    record For(
            Target target,
            Expr iterable,
            Expr filter,
            List<Stmt> body,
            List<Stmt> otherwise,
            boolean recursive,
            int line)
            implements Stmt {}

    record Assign(Target target, Expr value, int line) implements Stmt {}

    /** {@code value} has the captured text under {@link #CAPTURED}. */
    record AssignBlock(Target target, Expr value, List<Stmt> body, int line) implements Stmt {}

    record Macro(String name, Signature signature, List<Stmt> body, int line) implements Stmt {}

    record CallBlock(Expr.Call call, Signature signature, List<Stmt> body, int line) implements Stmt {}

    /** {@code value} has the captured text under {@link #CAPTURED}. */
    record FilterBlock(Expr value, List<Stmt> body, int line) implements Stmt {}

    record With(List<Target> targets, List<Expr> values, List<Stmt> body, int line) implements Stmt {}

    record Generation(List<Stmt> body) implements Stmt {}

    record Block(List<Stmt> body) implements Stmt {}

    record Break() implements Stmt {}

    record Continue() implements Stmt {}

    /** No name that a template can write. */
    String CAPTURED = "%captured";

    /** Where a value goes. */
    sealed interface Target {}

    record NameTarget(String name) implements Target {}

    record NamespaceTarget(String namespace, Text attribute) implements Target {}

    record UnpackedTarget(List<Target> targets) implements Target {}

    /** Parameters of a macro; {@code defaults} belong to the last ones. */
    record Signature(List<String> parameters, List<Expr> defaults, boolean varargs, boolean kwargs, boolean caller) {}
}
