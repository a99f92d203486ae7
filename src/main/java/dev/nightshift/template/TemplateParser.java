package dev.nightshift.template;

import dev.nightshift.template.Stmt.NameTarget;
import dev.nightshift.template.Stmt.NamespaceTarget;
import dev.nightshift.template.Stmt.Signature;
import dev.nightshift.template.Stmt.Target;
import dev.nightshift.template.Stmt.UnpackedTarget;
import dev.nightshift.template.Token.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Parses a template's statements. */
final class TemplateParser {
    private static final int DEPTH_MAX = 60;
    private static final Set<String> CONSTANTS = Set.of("true", "True", "false", "False", "none", "None");

    /** A parsed template. {@code names} are all variables that it reads. */
    record Parsed(List<Stmt> body, Set<String> names) {}

    private final TokenCursor tokens;
    private final ExpressionParser expressions;
    private int depth;
    private int loops;

    private TemplateParser(TokenCursor tokens) {
        this.tokens = tokens;
        this.expressions = new ExpressionParser(tokens);
    }

    static Parsed parse(String source) {
        TemplateParser parser = new TemplateParser(new TokenCursor(Lexer.tokens(source)));
        List<Stmt> body = parser.statements(Set.of());
        return new Parsed(body, Set.copyOf(parser.expressions.names()));
    }

    /** Up to a block tag of one of these names (whose name is the current token then), or the end if there are none. */
    private List<Stmt> statements(Set<String> ends) {
        if (++depth > DEPTH_MAX) {
            throw tokens.fail("blocks nested deeper than " + DEPTH_MAX);
        }
        List<Stmt> body = new ArrayList<>();
        while (true) {
            Token token = tokens.current();
            switch (token.kind()) {
                case DATA ->
                    body.add(new Stmt.Literal(Text.trusted(tokens.next().text())));
                case VARIABLE_BEGIN -> {
                    tokens.next();
                    body.add(new Stmt.Output(expressions.tuple(true, false, null), token.line()));
                    tokens.expect(Kind.VARIABLE_END, "'}}'");
                }
                case BLOCK_BEGIN -> {
                    tokens.next();
                    if (tokens.at(Kind.NAME) && ends.contains(tokens.current().text())) {
                        depth--;
                        return body;
                    }
                    body.add(statement());
                    tokens.expect(Kind.BLOCK_END, "'%}'");
                }
                case END -> {
                    if (!ends.isEmpty()) {
                        throw tokens.fail("the template ends before " + String.join(" or ", ends));
                    }
                    depth--;
                    return body;
                }
                case VARIABLE_END, BLOCK_END, NAME, STRING, INTEGER, FLOAT, OPERATOR ->
                    throw tokens.fail("unexpected " + token.shown());
            }
        }
    }

    /** The body of a block: its tag's end, then statements. */
    private List<Stmt> body(String... ends) {
        tokens.skipOperator(":");
        tokens.expect(Kind.BLOCK_END, "'%}'");
        return statements(Set.of(ends));
    }

    /** A body that has one possible end, which is passed. */
    private List<Stmt> closedBody(String end) {
        List<Stmt> body = body(end);
        tokens.next();
        return body;
    }

    private Stmt statement() {
        Token tag = tokens.expect(Kind.NAME, "a tag's name");
        int line = tag.line();
        return switch (tag.text()) {
            case "if" -> ifStatement();
            case "for" -> forStatement(line);
            case "set" -> set(line);
            case "macro" -> macro(line);
            case "call" -> call(line);
            case "filter" -> {
                Expr value = filterChain(expressions.namedFilter(new Expr.Name(Stmt.CAPTURED)));
                yield new Stmt.FilterBlock(value, closedBody("endfilter"), line);
            }
            case "with" -> with(line);
            case "print" -> print(line);
            case "generation" -> new Stmt.Generation(outsideLoops(() -> closedBody("endgeneration")));
            case "block" -> block();
            case "break" -> {
                requireLoop("break");
                yield new Stmt.Break();
            }
            case "continue" -> {
                requireLoop("continue");
                yield new Stmt.Continue();
            }
            case "include", "import", "from", "extends", "autoescape" ->
                throw TemplateFailure.syntax(line, "the tag '" + tag.text() + "' is not supported in chat templates");
            default -> throw TemplateFailure.syntax(line, "unknown tag '" + tag.text() + "'");
        };
    }

    private Stmt print(int line) {
        List<Expr> parts = new ArrayList<>();
        while (!tokens.at(Kind.BLOCK_END)) {
            if (!parts.isEmpty()) {
                tokens.expectOperator(",");
            }
            parts.add(expressions.expression());
        }
        return new Stmt.Output(new Expr.Concat(parts, line), line);
    }

    private void requireLoop(String tag) {
        if (loops == 0) {
            throw tokens.fail("'" + tag + "' outside a loop");
        }
    }

    private Stmt ifStatement() {
        List<Stmt.Branch> branches = new ArrayList<>();
        while (true) {
            int line = tokens.line();
            Expr test = expressions.tuple(false, false, null);
            branches.add(new Stmt.Branch(test, body("elif", "else", "endif"), line));
            Token end = tokens.next();
            if (end.isName("else")) {
                return new Stmt.If(branches, closedBody("endif"));
            }
            if (end.isName("endif")) {
                return new Stmt.If(branches, List.of());
            }
        }
    }

    private Stmt forStatement(int line) {
        Target target = target("in", false);
        if (!tokens.skipName("in")) {
            throw tokens.fail("expected 'in', found " + tokens.current().shown());
        }
        Expr iterable = expressions.tuple(false, false, "recursive");
        Expr filter = tokens.skipName("if") ? expressions.expression() : null;
        boolean recursive = tokens.skipName("recursive");
        loops++;
        List<Stmt> body = body("endfor", "else");
        loops--;
        List<Stmt> otherwise = tokens.next().text().equals("else") ? closedBody("endfor") : List.of();
        return new Stmt.For(target, iterable, filter, body, otherwise, recursive, line);
    }

    private Stmt set(int line) {
        Target target = target(null, true);
        if (tokens.skipOperator("=")) {
            return new Stmt.Assign(target, expressions.tuple(true, false, null), line);
        }
        Expr value = filterChain(new Expr.Name(Stmt.CAPTURED));
        return new Stmt.AssignBlock(target, value, closedBody("endset"), line);
    }

    private Expr filterChain(Expr start) {
        Expr value = start;
        while (tokens.atOperator("|")) {
            value = expressions.filter(value);
        }
        return value;
    }

    private Stmt macro(int line) {
        String name = assignable(tokens.expect(Kind.NAME, "the macro's name").text());
        List<String> parameters = new ArrayList<>();
        List<Expr> defaults = new ArrayList<>();
        parameters(parameters, defaults);
        NamedBody body = namedBody("endmacro");
        return new Stmt.Macro(name, signature(parameters, defaults, body.names()), body.statements(), line);
    }

    private Stmt call(int line) {
        List<String> parameters = new ArrayList<>();
        List<Expr> defaults = new ArrayList<>();
        if (tokens.atOperator("(")) {
            parameters(parameters, defaults);
        }
        if (!(expressions.expression() instanceof Expr.Call call)) {
            throw TemplateFailure.syntax(line, "a call block needs a call");
        }
        NamedBody body = namedBody("endcall");
        return new Stmt.CallBlock(call, signature(parameters, defaults, body.names()), body.statements(), line);
    }

    private record NamedBody(List<Stmt> statements, Set<String> names) {}

    /** A body and which of the special names varargs, kwargs and caller it reads. */
    private NamedBody namedBody(String end) {
        Set<String> outer = new HashSet<>(expressions.names());
        expressions.names().clear();
        List<Stmt> body = outsideLoops(() -> closedBody(end));
        Set<String> inner = Set.copyOf(expressions.names());
        expressions.names().addAll(outer);
        return new NamedBody(body, inner);
    }

    private static Signature signature(List<String> parameters, List<Expr> defaults, Set<String> names) {
        return new Signature(
                List.copyOf(parameters),
                List.copyOf(defaults),
                names.contains("varargs") && !parameters.contains("varargs"),
                names.contains("kwargs") && !parameters.contains("kwargs"),
                names.contains("caller"));
    }

    private void parameters(List<String> parameters, List<Expr> defaults) {
        tokens.expectOperator("(");
        while (!tokens.atOperator(")")) {
            parameters.add(
                    assignable(tokens.expect(Kind.NAME, "a parameter's name").text()));
            if (tokens.skipOperator("=")) {
                defaults.add(expressions.expression());
            } else if (!defaults.isEmpty()) {
                throw tokens.fail("a parameter without default follows one with a default");
            }
            if (!tokens.skipOperator(",")) {
                break;
            }
        }
        tokens.expectOperator(")");
    }

    private Stmt with(int line) {
        List<Target> targets = new ArrayList<>();
        List<Expr> values = new ArrayList<>();
        while (!tokens.at(Kind.BLOCK_END)) {
            if (!targets.isEmpty()) {
                tokens.expectOperator(",");
            }
            targets.add(target(null, false));
            tokens.expectOperator("=");
            values.add(expressions.expression());
        }
        return new Stmt.With(targets, values, closedBody("endwith"), line);
    }

    private Stmt block() {
        String name = tokens.expect(Kind.NAME, "the block's name").text();
        tokens.skipName("scoped");
        List<Stmt> body = outsideLoops(() -> closedBody("endblock"));
        tokens.skipName(name);
        return new Stmt.Block(body);
    }

    private interface BodySource {
        List<Stmt> get();
    }

    /** A body of its own: break and continue cannot leave it. */
    private List<Stmt> outsideLoops(BodySource source) {
        int outer = loops;
        loops = 0;
        List<Stmt> body = source.get();
        loops = outer;
        return body;
    }

    /** Names with commas, in parentheses or not; with namespaces also {@code name.attribute}. */
    private Target target(String endName, boolean namespaces) {
        List<Target> targets = new ArrayList<>();
        boolean comma = false;
        while (!tokens.at(Kind.BLOCK_END) && !tokens.atOperator(")") && !(endName != null && tokens.atName(endName))) {
            targets.add(singleTarget(namespaces));
            if (!tokens.skipOperator(",")) {
                break;
            }
            comma = true;
        }
        if (targets.isEmpty()) {
            throw tokens.fail(
                    "expected a name to assign to, found " + tokens.current().shown());
        }
        return comma ? new UnpackedTarget(targets) : targets.getFirst();
    }

    private Target singleTarget(boolean namespaces) {
        if (tokens.skipOperator("(")) {
            if (++depth > DEPTH_MAX) {
                throw tokens.fail("targets nested deeper than " + DEPTH_MAX);
            }
            Target inner = target(null, namespaces);
            depth--;
            tokens.expectOperator(")");
            return inner;
        }
        String name = assignable(tokens.expect(Kind.NAME, "a name to assign to").text());
        if (namespaces && tokens.skipOperator(".")) {
            return new NamespaceTarget(
                    name,
                    Text.trusted(tokens.expect(Kind.NAME, "an attribute's name").text()));
        }
        return new NameTarget(name);
    }

    private String assignable(String name) {
        if (CONSTANTS.contains(name)) {
            throw tokens.fail("cannot assign to '" + name + "'");
        }
        return name;
    }
}
