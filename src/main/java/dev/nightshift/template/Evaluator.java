package dev.nightshift.template;

import dev.nightshift.template.Expr.CallArguments;
import dev.nightshift.template.Expr.Comparison;
import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Cycler;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.Loop;
import dev.nightshift.template.Value.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Evaluates expressions of one rendering. */
final class Evaluator {
    private final Budget budget;
    private final Operators operators;
    private final Attributes attributes;
    private int line = 1;

    Evaluator(Budget budget) {
        this.budget = budget;
        this.operators = new Operators(budget);
        this.attributes = new Attributes(this);
    }

    Budget budget() {
        return budget;
    }

    Operators operators() {
        return operators;
    }

    Attributes attributes() {
        return attributes;
    }

    /** Where the template is, for messages. */
    int line() {
        return line;
    }

    void at(int templateLine) {
        line = templateLine;
    }

    Text str(Value value) {
        return PythonText.str(budget, value);
    }

    Value eval(Expr expression, Scope scope) {
        budget.step();
        if (expression instanceof Expr.Const constant) {
            return constant.value();
        }
        if (expression instanceof Expr.Name name) {
            Value value = scope.get(name.name());
            return value != null ? value : new Undefined("'" + name.name() + "' is undefined");
        }
        budget.enter();
        Value value = evalNested(expression, scope);
        budget.leave();
        return value;
    }

    private Value evalNested(Expr expression, Scope scope) {
        return switch (expression) {
            case Expr.Const constant -> constant.value();
            case Expr.Name name -> eval(name, scope);
            case Expr.Attribute attribute -> {
                Value target = eval(attribute.target(), scope);
                line = attribute.line();
                yield attributes.attribute(target, attribute.name());
            }
            case Expr.Subscript subscript -> subscript(subscript, scope);
            case Expr.Slice _ -> throw new TemplateFailure("a slice outside a subscript");
            case Expr.Call call -> {
                Value callee = eval(call.callee(), scope);
                Arguments arguments = arguments(call.arguments(), scope);
                line = call.line();
                yield call(callee, arguments);
            }
            case Expr.Filter filter -> {
                Value input = eval(filter.input(), scope);
                Arguments arguments = arguments(filter.arguments(), scope);
                line = filter.line();
                yield filter(filter.name(), input, arguments);
            }
            case Expr.Test test -> {
                Value input = eval(test.input(), scope);
                Arguments arguments = arguments(test.arguments(), scope);
                line = test.line();
                yield Bool.of(test(test.name(), input, arguments));
            }
            case Expr.Not not -> Bool.of(!truth(not.operand(), scope));
            case Expr.Sign sign -> sign(sign, scope);
            case Expr.Binary binary -> {
                Value left = eval(binary.left(), scope);
                Value right = eval(binary.right(), scope);
                line = binary.line();
                yield operators.binary(binary.operator(), left, right);
            }
            case Expr.Concat concat -> {
                TextBuilder out = new TextBuilder(budget);
                for (Expr part : concat.parts()) {
                    out.append(str(eval(part, scope)));
                }
                yield out.toText();
            }
            case Expr.Compare compare -> compare(compare, scope);
            case Expr.And and -> {
                Value left = eval(and.left(), scope);
                yield operators.truth(left) ? eval(and.right(), scope) : left;
            }
            case Expr.Or or -> {
                Value left = eval(or.left(), scope);
                yield operators.truth(left) ? left : eval(or.right(), scope);
            }
            case Expr.Conditional conditional -> {
                if (truth(conditional.test(), scope)) {
                    yield eval(conditional.then(), scope);
                }
                yield conditional.otherwise() == null
                        ? new Undefined("the inline if on line " + line + " is false and has no else")
                        : eval(conditional.otherwise(), scope);
            }
            case Expr.ListLiteral list -> Items.of(budget, list.tuple(), evalAll(list.items(), scope));
            case Expr.DictLiteral dict -> dict(dict, scope);
        };
    }

    boolean truth(Expr expression, Scope scope) {
        return operators.truth(eval(expression, scope));
    }

    private List<Value> evalAll(List<Expr> expressions, Scope scope) {
        List<Value> values = new ArrayList<>(expressions.size());
        for (Expr expression : expressions) {
            values.add(eval(expression, scope));
        }
        return values;
    }

    private Value dict(Expr.DictLiteral literal, Scope scope) {
        Map<Value, Value> entries = new LinkedHashMap<>();
        for (int i = 0; i < literal.keys().size(); i++) {
            Value key = operators.key(eval(literal.keys().get(i), scope));
            entries.put(key, eval(literal.values().get(i), scope));
        }
        return Dict.of(budget, entries);
    }

    private Value subscript(Expr.Subscript subscript, Scope scope) {
        Value target = eval(subscript.target(), scope);
        if (subscript.index() instanceof Expr.Slice slice) {
            Value from = slice.from() == null ? null : eval(slice.from(), scope);
            Value to = slice.to() == null ? null : eval(slice.to(), scope);
            Value step = slice.step() == null ? null : eval(slice.step(), scope);
            line = subscript.line();
            return attributes.slice(target, from, to, step);
        }
        Value index = eval(subscript.index(), scope);
        line = subscript.line();
        return attributes.item(target, index);
    }

    private Value sign(Expr.Sign sign, Scope scope) {
        Value operand = eval(sign.operand(), scope);
        line = sign.line();
        Operators.requireDefined(operand);
        if (!Numbers.isNumber(operand)) {
            throw new TemplateFailure("bad operand type for unary sign: '" + Types.name(operand) + "'");
        }
        if (sign.minus()) {
            return Numbers.negate(operand);
        }
        return operand instanceof Bool ? Numbers.of(Numbers.whole(operand)) : operand;
    }

    private Value compare(Expr.Compare compare, Scope scope) {
        Value left = eval(compare.first(), scope);
        for (Comparison link : compare.rest()) {
            Value right = eval(link.operand(), scope);
            line = compare.line();
            if (!operators.compare(link.operator(), left, right)) {
                return Bool.FALSE;
            }
            left = right;
        }
        return Bool.TRUE;
    }

    Arguments arguments(CallArguments written, Scope scope) {
        if (written == CallArguments.NONE) {
            return Arguments.NONE;
        }
        List<Value> positional = evalAll(written.positional(), scope);
        Map<Text, Value> named = new LinkedHashMap<>();
        for (Expr.Named argument : written.named()) {
            if (named.put(argument.name(), eval(argument.value(), scope)) != null) {
                throw new TemplateFailure("the argument '" + argument.name() + "' is given twice");
            }
        }
        if (written.star() != null) {
            positional.addAll(operators.items(eval(written.star(), scope)));
        }
        if (written.doubleStar() != null) {
            if (!(eval(written.doubleStar(), scope) instanceof Dict dict)) {
                throw new TemplateFailure("the argument after ** must be a mapping");
            }
            for (Map.Entry<Value, Value> entry : dict.entries().entrySet()) {
                if (!(entry.getKey() instanceof Text name)) {
                    throw new TemplateFailure("keywords must be strings");
                }
                if (named.put(name, entry.getValue()) != null) {
                    throw new TemplateFailure("the argument '" + name + "' is given twice");
                }
            }
        }
        return new Arguments(positional, named);
    }

    Value call(Value callee, Arguments arguments) {
        return switch (callee) {
            case Function function -> function.body().call(arguments);
            case Loop loop -> {
                if (loop.recurse == null) {
                    throw new TemplateFailure("only a loop marked 'recursive' can be called");
                }
                yield loop.recurse.body().call(arguments);
            }
            case Undefined undefined -> throw new TemplateFailure(undefined.message());
            case Cycler _ -> throw new TemplateFailure("'Cycler' object is not callable");
            default -> throw new TemplateFailure("'" + Types.name(callee) + "' object is not callable");
        };
    }

    Value filter(String name, Value input, Arguments arguments) {
        Filters.Filter filter = Filters.named(name);
        if (filter == null) {
            throw new TemplateFailure("No filter named '" + name + "' found.");
        }
        if (input instanceof Text text) {
            budget.scan(text.length());
        }
        return filter.apply(this, input, arguments);
    }

    boolean test(String name, Value input, Arguments arguments) {
        ValueTests.Test test = ValueTests.named(name);
        if (test == null) {
            throw new TemplateFailure("No test named '" + name + "' found.");
        }
        return test.holds(this, input, arguments);
    }
}
