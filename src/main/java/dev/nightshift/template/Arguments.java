package dev.nightshift.template;

import dev.nightshift.template.Value.Undefined;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Evaluated arguments of a call. */
record Arguments(List<Value> positional, Map<Text, Value> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    static Arguments of(Value... values) {
        return new Arguments(List.of(values), Map.of());
    }

    int size() {
        return positional.size() + named.size();
    }

    /**
     * The arguments by parameter, null where absent.
     *
     * @param function for the message
     */
    Value[] bind(String function, String... parameters) {
        if (positional.size() > parameters.length) {
            throw new TemplateFailure(function + "() takes at most " + parameters.length + " arguments, "
                    + positional.size() + " were given");
        }
        Value[] bound = new Value[parameters.length];
        for (int i = 0; i < positional.size(); i++) {
            bound[i] = positional.get(i);
        }
        int used = 0;
        for (int i = 0; i < parameters.length; i++) {
            Value value = named.isEmpty() ? null : named.get(Text.trusted(parameters[i]));
            if (value == null) {
                continue;
            }
            if (bound[i] != null) {
                throw new TemplateFailure(function + "() got two values for the argument '" + parameters[i] + "'");
            }
            bound[i] = value;
            used++;
        }
        if (used < named.size()) {
            for (Text name : named.keySet()) {
                if (!List.of(parameters).contains(name.string())) {
                    throw new TemplateFailure(function + "() has no argument '" + name + "'");
                }
            }
        }
        return bound;
    }

    /** As {@link #bind}, where the first arguments must be there. */
    Value[] bindRequired(String function, int required, String... parameters) {
        Value[] bound = bind(function, parameters);
        for (int i = 0; i < required; i++) {
            if (bound[i] == null) {
                throw new TemplateFailure(function + "() needs the argument '" + parameters[i] + "'");
            }
        }
        return bound;
    }

    /** Without the first positional argument. */
    Arguments rest() {
        return new Arguments(positional.subList(1, positional.size()), named);
    }

    /** With one more named argument. */
    Arguments with(String name, Value value) {
        Map<Text, Value> more = new LinkedHashMap<>(named);
        more.put(Text.trusted(name), value);
        return new Arguments(positional, more);
    }

    /** The value, or an undefined one that says it was not given. */
    static Value orUndefined(Value value, String parameter) {
        return value != null ? value : new Undefined("parameter '" + parameter + "' was not provided");
    }
}
