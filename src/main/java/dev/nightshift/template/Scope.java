package dev.nightshift.template;

import java.util.HashMap;
import java.util.Map;

/** Variables of a block; what it does not have is looked up in the one around it. */
final class Scope {
    private final Scope outer;
    private Map<String, Value> variables;

    Scope(Scope outer) {
        this.outer = outer;
    }

    /** The value, or null. */
    Value get(String name) {
        for (Scope scope = this; scope != null; scope = scope.outer) {
            Value value = scope.variables == null ? null : scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return null;
    }

    void set(String name, Value value) {
        if (variables == null) {
            variables = new HashMap<>();
        }
        variables.put(name, value);
    }
}
