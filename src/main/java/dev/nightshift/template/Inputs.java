package dev.nightshift.template;

import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Dict;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.None;
import dev.nightshift.template.Value.Real;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON values of a request as template values; every string and key in them is untrusted. */
final class Inputs {
    /** Fields that carry a message's reasoning, the one that counts first. */
    private static final List<String> REASONING = List.of("reasoning_content", "thinking", "reasoning");

    private final Budget budget;
    private int depth;

    Inputs(Budget budget) {
        this.budget = budget;
    }

    Value value(Object json) {
        return switch (json) {
            case null -> None.NONE;
            case String string -> Text.untrusted(string);
            case Boolean bool -> Bool.of(bool);
            case Integer number -> Int.of(number);
            case Long number -> Int.of(number);
            case Short number -> Int.of(number);
            case Byte number -> Int.of(number);
            case BigInteger number -> Numbers.of(number);
            case BigDecimal number -> new Real(number.doubleValue());
            case Double number -> new Real(number);
            case Float number -> new Real(number.doubleValue());
            case Map<?, ?> map -> dict(map);
            case List<?> list -> list(list);
            default ->
                throw new IllegalStateException(
                        "no JSON value: " + json.getClass().getName());
        };
    }

    private void enter() {
        if (++depth > budget.limits().nesting()) {
            throw new TemplateFailure(
                    "values nested deeper than " + budget.limits().nesting() + " levels");
        }
    }

    private Value list(List<?> list) {
        enter();
        List<Value> items = new ArrayList<>(list.size());
        for (Object item : list) {
            items.add(value(item));
        }
        depth--;
        return Items.list(budget, items);
    }

    private Value dict(Map<?, ?> map) {
        enter();
        Map<Value, Value> entries = LinkedHashMap.newLinkedHashMap(map.size());
        map.forEach((key, value) -> entries.put(Text.untrusted((String) key), value(value)));
        depth--;
        return Dict.of(budget, entries);
    }

    /**
     * A message as transformers gives it to templates: without keys that are null; its reasoning, whatever field it came in, also
     * as {@code thinking} (first, unless the message has its own) and {@code reasoning_content}.
     */
    static Map<String, Object> message(Map<String, Object> message) {
        Map<String, Object> kept = new LinkedHashMap<>();
        Object reasoning = null;
        for (String field : REASONING) {
            if (reasoning == null) {
                reasoning = message.get(field);
            }
        }
        if (reasoning != null) {
            kept.put("thinking", reasoning);
        }
        message.forEach((key, value) -> {
            if (value != null) {
                kept.put(key, value);
            }
        });
        if (reasoning != null) {
            kept.put("reasoning_content", reasoning);
        }
        return kept;
    }
}
