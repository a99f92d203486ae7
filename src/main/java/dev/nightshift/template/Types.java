package dev.nightshift.template;

/** Python's names for the types of values. */
final class Types {
    private Types() {}

    static String name(Value value) {
        return switch (value) {
            case Value.None _ -> "NoneType";
            case Value.Undefined _ -> "Undefined";
            case Value.Bool _ -> "bool";
            case Value.Int _ -> "int";
            case Value.Real _ -> "float";
            case Text text -> text.isMarkup() ? "Markup" : "str";
            case Value.Items items -> items.tuple() ? "tuple" : "list";
            case Value.Dict _ -> "dict";
            case Value.View view ->
                switch (view.kind()) {
                    case KEYS -> "dict_keys";
                    case VALUES -> "dict_values";
                    case ITEMS -> "dict_items";
                };
            case Value.Range _ -> "range";
            case Value.Stream _ -> "generator";
            case Value.Namespace _ -> "Namespace";
            case Value.Function _ -> "function";
            case Value.Loop _ -> "LoopContext";
            case Value.Cycler _ -> "Cycler";
        };
    }

    /** What stands in messages of undefined values. */
    static String objectName(Value value) {
        return value instanceof Value.None ? "None" : name(value) + " object";
    }
}
