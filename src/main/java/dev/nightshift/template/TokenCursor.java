package dev.nightshift.template;

import dev.nightshift.template.Token.Kind;
import java.util.List;

/** Walks over a template's tokens; the last one is {@link Kind#END} and is never passed. */
final class TokenCursor {
    private final List<Token> tokens;
    private int position;

    TokenCursor(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token current() {
        return tokens.get(position);
    }

    Token following() {
        return tokens.get(Math.min(position + 1, tokens.size() - 1));
    }

    int line() {
        return current().line();
    }

    Token next() {
        Token token = current();
        if (token.kind() != Kind.END) {
            position++;
        }
        return token;
    }

    boolean at(Kind kind) {
        return current().kind() == kind;
    }

    boolean atName(String name) {
        return current().isName(name);
    }

    boolean atOperator(String operator) {
        return current().isOperator(operator);
    }

    boolean skipName(String name) {
        if (atName(name)) {
            next();
            return true;
        }
        return false;
    }

    boolean skipOperator(String operator) {
        if (atOperator(operator)) {
            next();
            return true;
        }
        return false;
    }

    Token expect(Kind kind, String what) {
        if (!at(kind)) {
            throw fail("expected " + what + ", found " + current().shown());
        }
        return next();
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw fail("expected '" + operator + "', found " + current().shown());
        }
    }

    TemplateFailure fail(String message) {
        return TemplateFailure.syntax(line(), message);
    }
}
