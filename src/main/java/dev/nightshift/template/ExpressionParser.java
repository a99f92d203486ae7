package dev.nightshift.template;

import dev.nightshift.template.Expr.BinaryOperator;
import dev.nightshift.template.Expr.CallArguments;
import dev.nightshift.template.Expr.Comparison;
import dev.nightshift.template.Expr.ComparisonOperator;
import dev.nightshift.template.Token.Kind;
import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Real;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Parses expressions with Jinja's precedences, the loosest first. */
final class ExpressionParser {
    private static final int DEPTH_MAX = 120;
    private static final int DIGITS_MAX = 1000;
    private static final Map<String, ComparisonOperator> COMPARISONS = Map.of(
            "==", ComparisonOperator.EQUAL,
            "!=", ComparisonOperator.NOT_EQUAL,
            "<", ComparisonOperator.LESS,
            "<=", ComparisonOperator.LESS_OR_EQUAL,
            ">", ComparisonOperator.GREATER,
            ">=", ComparisonOperator.GREATER_OR_EQUAL);

    private final TokenCursor tokens;
    private final Set<String> names = new HashSet<>();
    private int depth;

    ExpressionParser(TokenCursor tokens) {
        this.tokens = tokens;
    }

    /** Every variable that is read somewhere. */
    Set<String> names() {
        return names;
    }

    Expr expression() {
        if (++depth > DEPTH_MAX) {
            throw tokens.fail("expressions nested deeper than " + DEPTH_MAX);
        }
        Expr result = or();
        while (tokens.skipName("if")) {
            Expr test = or();
            Expr otherwise = tokens.skipName("else") ? expression() : null;
            result = new Expr.Conditional(test, result, otherwise);
        }
        depth--;
        return result;
    }

    /** One expression, or several with commas as a tuple. */
    Expr tuple(boolean conditional, boolean parentheses, String endName) {
        List<Expr> items = new ArrayList<>();
        boolean comma = false;
        while (!tupleEnd(endName)) {
            items.add(conditional ? expression() : or());
            if (!tokens.skipOperator(",")) {
                break;
            }
            comma = true;
        }
        if (!comma && !items.isEmpty()) {
            return items.getFirst();
        }
        if (items.isEmpty() && !parentheses) {
            throw tokens.fail(
                    "expected an expression, found " + tokens.current().shown());
        }
        return new Expr.ListLiteral(true, items);
    }

    private boolean tupleEnd(String endName) {
        return tokens.at(Kind.VARIABLE_END)
                || tokens.at(Kind.BLOCK_END)
                || tokens.atOperator(")")
                || endName != null && tokens.atName(endName);
    }

    private Expr or() {
        Expr left = and();
        while (tokens.skipName("or")) {
            left = new Expr.Or(left, and());
        }
        return left;
    }

    private Expr and() {
        Expr left = not();
        while (tokens.skipName("and")) {
            left = new Expr.And(left, not());
        }
        return left;
    }

    private Expr not() {
        int count = 0;
        while (tokens.skipName("not")) {
            count++;
        }
        Expr operand = comparison();
        // two negations make a truth value of the operand; more change nothing
        for (int i = 0; i < (count > 2 ? 2 - count % 2 : count); i++) {
            operand = new Expr.Not(operand);
        }
        return operand;
    }

    private Expr comparison() {
        int line = tokens.line();
        Expr first = sum();
        List<Comparison> rest = new ArrayList<>();
        while (true) {
            Token token = tokens.current();
            if (token.kind() == Kind.OPERATOR && COMPARISONS.containsKey(token.text())) {
                tokens.next();
                rest.add(new Comparison(COMPARISONS.get(token.text()), sum()));
            } else if (tokens.skipName("in")) {
                rest.add(new Comparison(ComparisonOperator.IN, sum()));
            } else if (token.isName("not") && tokens.following().isName("in")) {
                tokens.next();
                tokens.next();
                rest.add(new Comparison(ComparisonOperator.NOT_IN, sum()));
            } else {
                return rest.isEmpty() ? first : new Expr.Compare(first, rest, line);
            }
        }
    }

    private Expr sum() {
        Expr left = concat();
        while (tokens.atOperator("+") || tokens.atOperator("-")) {
            int line = tokens.line();
            BinaryOperator operator = tokens.next().text().equals("+") ? BinaryOperator.ADD : BinaryOperator.SUBTRACT;
            left = new Expr.Binary(operator, left, concat(), line);
        }
        return left;
    }

    private Expr concat() {
        int line = tokens.line();
        Expr first = product();
        if (!tokens.atOperator("~")) {
            return first;
        }
        List<Expr> parts = new ArrayList<>(List.of(first));
        while (tokens.skipOperator("~")) {
            parts.add(product());
        }
        return new Expr.Concat(parts, line);
    }

    private Expr product() {
        Expr left = power();
        while (true) {
            int line = tokens.line();
            BinaryOperator operator;
            if (tokens.skipOperator("*")) {
                operator = BinaryOperator.MULTIPLY;
            } else if (tokens.skipOperator("/")) {
                operator = BinaryOperator.DIVIDE;
            } else if (tokens.skipOperator("//")) {
                operator = BinaryOperator.FLOOR_DIVIDE;
            } else if (tokens.skipOperator("%")) {
                operator = BinaryOperator.MODULO;
            } else {
                return left;
            }
            left = new Expr.Binary(operator, left, power(), line);
        }
    }

    private Expr power() {
        Expr left = unary(true);
        while (tokens.atOperator("**")) {
            int line = tokens.next().line();
            left = new Expr.Binary(BinaryOperator.POWER, left, unary(true), line);
        }
        return left;
    }

    private Expr unary(boolean withFilter) {
        if (++depth > DEPTH_MAX) {
            throw tokens.fail("expressions nested deeper than " + DEPTH_MAX);
        }
        int line = tokens.line();
        Expr result;
        if (tokens.skipOperator("-")) {
            result = new Expr.Sign(true, unary(false), line);
        } else if (tokens.skipOperator("+")) {
            result = new Expr.Sign(false, unary(false), line);
        } else {
            result = primary();
        }
        result = postfix(result);
        if (withFilter) {
            result = filters(result);
        }
        depth--;
        return result;
    }

    private Expr primary() {
        Token token = tokens.current();
        return switch (token.kind()) {
            case NAME -> name(tokens.next().text());
            case STRING -> {
                StringBuilder joined = new StringBuilder();
                while (tokens.at(Kind.STRING)) {
                    joined.append(tokens.next().text());
                }
                yield new Expr.Const(Text.trusted(joined.toString()));
            }
            case INTEGER -> integer(tokens.next().text());
            case FLOAT ->
                new Expr.Const(new Real(Double.parseDouble(tokens.next().text())));
            case OPERATOR -> bracketed(token);
            case DATA, VARIABLE_BEGIN, VARIABLE_END, BLOCK_BEGIN, BLOCK_END, END ->
                throw tokens.fail("unexpected " + token.shown());
        };
    }

    private Expr integer(String digits) {
        if (digits.length() > DIGITS_MAX) {
            throw tokens.fail("a number of " + digits.length() + " digits");
        }
        BigInteger value = new BigInteger(digits);
        return new Expr.Const(value.bitLength() < 63 ? Int.of(value.longValue()) : new Int(value));
    }

    private Expr name(String name) {
        return switch (name) {
            case "true", "True" -> new Expr.Const(Bool.TRUE);
            case "false", "False" -> new Expr.Const(Bool.FALSE);
            case "none", "None" -> new Expr.Const(None.NONE);
            default -> {
                names.add(name);
                yield new Expr.Name(name);
            }
        };
    }

    private Expr bracketed(Token token) {
        if (tokens.skipOperator("(")) {
            Expr inner = tuple(true, true, null);
            tokens.expectOperator(")");
            return inner;
        }
        if (tokens.skipOperator("[")) {
            List<Expr> items = new ArrayList<>();
            while (!tokens.atOperator("]")) {
                items.add(expression());
                if (!tokens.skipOperator(",")) {
                    break;
                }
            }
            tokens.expectOperator("]");
            return new Expr.ListLiteral(false, items);
        }
        if (tokens.skipOperator("{")) {
            List<Expr> keys = new ArrayList<>();
            List<Expr> values = new ArrayList<>();
            while (!tokens.atOperator("}")) {
                keys.add(expression());
                tokens.expectOperator(":");
                values.add(expression());
                if (!tokens.skipOperator(",")) {
                    break;
                }
            }
            tokens.expectOperator("}");
            return new Expr.DictLiteral(keys, values);
        }
        throw tokens.fail("unexpected " + token.shown());
    }

    private Expr postfix(Expr start) {
        Expr result = start;
        while (true) {
            int line = tokens.line();
            if (tokens.skipOperator(".")) {
                result = dotted(result, line);
            } else if (tokens.skipOperator("[")) {
                result = new Expr.Subscript(result, subscript(), line);
            } else if (tokens.atOperator("(")) {
                result = new Expr.Call(result, arguments(), line);
            } else {
                return result;
            }
        }
    }

    private Expr dotted(Expr target, int line) {
        if (tokens.at(Kind.NAME)) {
            return new Expr.Attribute(target, Text.trusted(tokens.next().text()), line);
        }
        Token number = tokens.expect(Kind.INTEGER, "a name or number after '.'");
        return new Expr.Subscript(target, integer(number.text()), line);
    }

    private Expr subscript() {
        List<Expr> items = new ArrayList<>();
        while (!tokens.atOperator("]")) {
            items.add(slice());
            if (!tokens.skipOperator(",")) {
                break;
            }
        }
        tokens.expectOperator("]");
        return items.size() == 1 ? items.getFirst() : new Expr.ListLiteral(true, items);
    }

    private Expr slice() {
        Expr from = tokens.atOperator(":") ? null : expression();
        if (!tokens.skipOperator(":")) {
            return from;
        }
        Expr to = sliceEnd() || tokens.atOperator(":") ? null : expression();
        Expr step = null;
        if (tokens.skipOperator(":")) {
            step = sliceEnd() ? null : expression();
        }
        return new Expr.Slice(from, to, step);
    }

    private boolean sliceEnd() {
        return tokens.atOperator("]") || tokens.atOperator(",");
    }

    private Expr filters(Expr start) {
        Expr result = start;
        while (true) {
            if (tokens.atOperator("|")) {
                result = filter(result);
            } else if (tokens.atName("is")) {
                result = test(result);
            } else if (tokens.atOperator("(")) {
                int line = tokens.line();
                result = new Expr.Call(result, arguments(), line);
            } else {
                return result;
            }
        }
    }

    /** A filter with its bar. */
    Expr filter(Expr input) {
        tokens.expectOperator("|");
        return namedFilter(input);
    }

    /** A filter from its name on. */
    Expr namedFilter(Expr input) {
        int line = tokens.line();
        String name = dottedName("a filter's name");
        CallArguments arguments = tokens.atOperator("(") ? arguments() : CallArguments.NONE;
        return new Expr.Filter(input, name, arguments, line);
    }

    private String dottedName(String what) {
        StringBuilder name = new StringBuilder(tokens.expect(Kind.NAME, what).text());
        while (tokens.skipOperator(".")) {
            name.append('.').append(tokens.expect(Kind.NAME, what).text());
        }
        return name.toString();
    }

    private Expr test(Expr input) {
        int line = tokens.next().line();
        boolean negated = tokens.skipName("not");
        String name = dottedName("a test's name");
        CallArguments arguments = CallArguments.NONE;
        if (tokens.atOperator("(")) {
            arguments = arguments();
        } else if (testOperand()) {
            if (tokens.atName("is")) {
                throw tokens.fail("tests cannot be chained with 'is'");
            }
            arguments = new CallArguments(List.of(postfix(primary())), List.of(), null, null);
        }
        Expr result = new Expr.Test(input, name, arguments, line);
        return negated ? new Expr.Not(result) : result;
    }

    private boolean testOperand() {
        return switch (tokens.current().kind()) {
            case NAME -> !tokens.atName("else") && !tokens.atName("or") && !tokens.atName("and");
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> tokens.atOperator("[") || tokens.atOperator("{");
            case DATA, VARIABLE_BEGIN, VARIABLE_END, BLOCK_BEGIN, BLOCK_END, END -> false;
        };
    }

    private CallArguments arguments() {
        tokens.expectOperator("(");
        List<Expr> positional = new ArrayList<>();
        List<Expr.Named> named = new ArrayList<>();
        Expr star = null;
        Expr doubleStar = null;
        while (!tokens.atOperator(")")) {
            if (doubleStar != null) {
                throw tokens.fail("no argument can follow **");
            }
            if (tokens.skipOperator("*")) {
                if (star != null) {
                    throw tokens.fail("a second * argument");
                }
                star = expression();
            } else if (tokens.skipOperator("**")) {
                doubleStar = expression();
            } else if (tokens.at(Kind.NAME) && tokens.following().isOperator("=")) {
                Text name = Text.trusted(tokens.next().text());
                tokens.next();
                named.add(new Expr.Named(name, expression()));
            } else if (star != null || !named.isEmpty()) {
                throw tokens.fail("a positional argument after named ones");
            } else {
                positional.add(expression());
            }
            if (!tokens.skipOperator(",")) {
                break;
            }
        }
        tokens.expectOperator(")");
        return new CallArguments(positional, named, star, doubleStar);
    }
}
