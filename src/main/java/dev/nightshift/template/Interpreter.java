package dev.nightshift.template;

import dev.nightshift.template.Stmt.NameTarget;
import dev.nightshift.template.Stmt.NamespaceTarget;
import dev.nightshift.template.Stmt.Signature;
import dev.nightshift.template.Stmt.Target;
import dev.nightshift.template.Stmt.UnpackedTarget;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.Loop;
import dev.nightshift.template.Value.Namespace;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs a template's statements for one rendering. */
final class Interpreter {
    private enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    private final Evaluator evaluator;
    private final Budget budget;
    private final Scope top;
    private TextBuilder out;

    /**
     * @param globals what every template can use, with the variables of this rendering
     */
    Interpreter(Evaluator evaluator, Scope globals) {
        this.evaluator = evaluator;
        this.budget = evaluator.budget();
        this.top = new Scope(globals);
        this.out = new TextBuilder(budget);
    }

    Text run(List<Stmt> body) {
        execute(body, top);
        return out.toText();
    }

    private Flow execute(List<Stmt> body, Scope scope) {
        budget.enter();
        for (Stmt statement : body) {
            Flow flow = execute(statement, scope);
            if (flow != Flow.ON) {
                budget.leave();
                return flow;
            }
        }
        budget.leave();
        return Flow.ON;
    }

    private Flow execute(Stmt statement, Scope scope) {
        budget.step();
        switch (statement) {
            case Stmt.Literal literal -> out.append(literal.text());
            case Stmt.Output output -> {
                evaluator.at(output.line());
                out.append(evaluator.str(evaluator.eval(output.value(), scope)));
            }
            case Stmt.If conditional -> {
                return executeIf(conditional, scope);
            }
            case Stmt.For loop -> executeFor(loop, scope);
            case Stmt.Assign assign -> {
                evaluator.at(assign.line());
                assign(assign.target(), evaluator.eval(assign.value(), scope), scope);
            }
            case Stmt.AssignBlock assign -> {
                Text text = capture(assign.body(), new Scope(scope));
                assign(assign.target(), filtered(assign.value(), text, scope, assign.line()), scope);
            }
            case Stmt.Macro macro ->
                scope.set(macro.name(), macro(macro.name(), macro.signature(), macro.body(), scope));
            case Stmt.CallBlock call -> callBlock(call, scope);
            case Stmt.FilterBlock filter -> {
                Text text = capture(filter.body(), new Scope(scope));
                out.append(evaluator.str(filtered(filter.value(), text, scope, filter.line())));
            }
            case Stmt.With with -> {
                Scope inner = new Scope(scope);
                evaluator.at(with.line());
                for (int i = 0; i < with.targets().size(); i++) {
                    assign(with.targets().get(i), evaluator.eval(with.values().get(i), scope), inner);
                }
                return execute(with.body(), inner);
            }
            case Stmt.Generation generation ->
                out.append(capture(generation.body(), new Scope(scope)).with(Text.GENERATED));
            case Stmt.Block block -> execute(block.body(), new Scope(top));
            case Stmt.Break _ -> {
                return Flow.BREAK;
            }
            case Stmt.Continue _ -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.ON;
    }

    private Flow executeIf(Stmt.If conditional, Scope scope) {
        for (Stmt.Branch branch : conditional.branches()) {
            evaluator.at(branch.line());
            if (evaluator.truth(branch.test(), scope)) {
                return execute(branch.body(), scope);
            }
        }
        return execute(conditional.otherwise(), scope);
    }

    /** The text that a body writes. */
    private Text capture(List<Stmt> body, Scope scope) {
        TextBuilder outer = out;
        out = new TextBuilder(budget);
        execute(body, scope);
        Text text = out.toText();
        out = outer;
        return text;
    }

    private Value filtered(Expr value, Text captured, Scope scope, int line) {
        Scope inner = new Scope(scope);
        inner.set(Stmt.CAPTURED, captured);
        evaluator.at(line);
        return evaluator.eval(value, inner);
    }

    private void executeFor(Stmt.For loop, Scope scope) {
        evaluator.at(loop.line());
        Value iterable = evaluator.eval(loop.iterable(), scope);
        executeFor(loop, iterable, 0, scope);
    }

    private void executeFor(Stmt.For statement, Value iterable, int depth0, Scope scope) {
        evaluator.at(statement.line());
        List<Value> items = evaluator.operators().items(iterable);
        if (statement.filter() != null) {
            items = kept(statement, items, scope);
        }
        Function recurse = statement.recursive()
                ? new Function("loop", arguments -> {
                    Value inner = arguments.bindRequired("loop", 1, "iterable")[0];
                    TextBuilder outer = out;
                    out = new TextBuilder(budget);
                    budget.enter();
                    executeFor(statement, inner, depth0 + 1, scope);
                    budget.leave();
                    Text text = out.toText();
                    out = outer;
                    return text;
                })
                : null;
        Loop loop = new Loop(items, depth0, recurse);
        boolean completed = false;
        for (Value item : items) {
            budget.step();
            loop.index0++;
            Scope inner = new Scope(scope);
            inner.set("loop", loop);
            evaluator.at(statement.line());
            assign(statement.target(), item, inner);
            Flow flow = execute(statement.body(), inner);
            if (flow == Flow.BREAK) {
                break;
            }
            completed |= flow == Flow.ON;
        }
        // as in jinja2 3.1, an iteration that break or continue ends does not count
        if (!completed) {
            execute(statement.otherwise(), new Scope(scope));
        }
    }

    private List<Value> kept(Stmt.For statement, List<Value> items, Scope scope) {
        List<Value> kept = new ArrayList<>();
        for (Value item : items) {
            Scope inner = new Scope(scope);
            assign(statement.target(), item, inner);
            if (evaluator.truth(statement.filter(), inner)) {
                kept.add(item);
            }
        }
        return kept;
    }

    private void assign(Target target, Value value, Scope scope) {
        switch (target) {
            case NameTarget name -> scope.set(name.name(), value);
            case NamespaceTarget attribute -> {
                if (!(scope.get(attribute.namespace()) instanceof Namespace namespace)) {
                    throw new TemplateFailure(
                            "cannot assign an attribute of '" + attribute.namespace() + "', which is no namespace");
                }
                namespace.set(attribute.attribute(), value);
            }
            case UnpackedTarget tuple -> {
                List<Value> parts = evaluator.operators().items(value);
                if (parts.size() != tuple.targets().size()) {
                    throw new TemplateFailure("cannot unpack " + parts.size() + " values into "
                            + tuple.targets().size());
                }
                for (int i = 0; i < parts.size(); i++) {
                    assign(tuple.targets().get(i), parts.get(i), scope);
                }
            }
        }
    }

    private void callBlock(Stmt.CallBlock block, Scope scope) {
        Function caller = macro("caller", block.signature(), block.body(), scope);
        evaluator.at(block.line());
        Value callee = evaluator.eval(block.call().callee(), scope);
        Arguments arguments = evaluator.arguments(block.call().arguments(), scope);
        out.append(evaluator.str(evaluator.call(callee, arguments.with("caller", caller))));
    }

    private Function macro(String name, Signature signature, List<Stmt> body, Scope definition) {
        return new Function("Macro '" + name + "'", arguments -> {
            budget.enter();
            Scope scope = new Scope(definition);
            int line = evaluator.line();
            bind(name, signature, arguments, scope);
            Text text = capture(body, scope);
            evaluator.at(line);
            budget.leave();
            return text;
        });
    }

    private void bind(String name, Signature signature, Arguments arguments, Scope scope) {
        List<String> parameters = signature.parameters();
        List<Value> positional = arguments.positional();
        Map<Text, Value> rest = new LinkedHashMap<>(arguments.named());
        int withoutDefault = parameters.size() - signature.defaults().size();
        List<Integer> absent = new ArrayList<>();
        for (int i = 0; i < parameters.size(); i++) {
            Value named = rest.isEmpty() ? null : rest.remove(Text.trusted(parameters.get(i)));
            if (i < positional.size()) {
                if (named != null) {
                    throw new TemplateFailure(
                            "macro '" + name + "' got two values for the argument '" + parameters.get(i) + "'");
                }
                scope.set(parameters.get(i), positional.get(i));
            } else if (named != null) {
                scope.set(parameters.get(i), named);
            } else {
                scope.set(parameters.get(i), Arguments.orUndefined(null, parameters.get(i)));
                absent.add(i);
            }
        }
        if (signature.caller() && !parameters.contains("caller")) {
            Value caller = rest.remove(Text.trusted("caller"));
            scope.set("caller", caller != null ? caller : new Value.Undefined("No caller defined"));
        }
        if (signature.kwargs()) {
            scope.set("kwargs", Value.Dict.of(budget, new LinkedHashMap<>(rest)));
        } else if (!rest.isEmpty()) {
            throw new TemplateFailure("macro '" + name + "' takes no keyword argument '"
                    + rest.keySet().iterator().next() + "'");
        }
        if (signature.varargs()) {
            int from = Math.min(parameters.size(), positional.size());
            scope.set("varargs", Items.tuple(budget, positional.subList(from, positional.size())));
        } else if (positional.size() > parameters.size()) {
            throw new TemplateFailure("macro '" + name + "' takes not more than " + parameters.size() + " argument(s)");
        }
        for (int i : absent) {
            if (i >= withoutDefault) {
                scope.set(parameters.get(i), evaluator.eval(signature.defaults().get(i - withoutDefault), scope));
            }
        }
    }
}
