package dev.nightshift.template;

import dev.nightshift.template.Value.Bool;
import dev.nightshift.template.Value.Function;
import dev.nightshift.template.Value.Int;
import dev.nightshift.template.Value.Items;
import dev.nightshift.template.Value.Loop;
import dev.nightshift.template.Value.Undefined;

/** What a template can ask the {@code loop} variable. */
final class LoopAttributes {
    private LoopAttributes() {}

    static Value get(Evaluator evaluator, Loop loop, String name) {
        int size = loop.items.size();
        return switch (name) {
            case "index" -> Int.of(loop.index0 + 1L);
            case "index0" -> Int.of(loop.index0);
            case "revindex" -> Int.of(size - loop.index0);
            case "revindex0" -> Int.of(size - loop.index0 - 1L);
            case "first" -> Bool.of(loop.index0 == 0);
            case "last" -> Bool.of(loop.index0 == size - 1);
            case "length" -> Int.of(size);
            case "depth" -> Int.of(loop.depth0 + 1L);
            case "depth0" -> Int.of(loop.depth0);
            case "previtem" ->
                loop.index0 > 0 ? loop.items.get(loop.index0 - 1) : new Undefined("there is no previous item");
            case "nextitem" ->
                loop.index0 < size - 1 ? loop.items.get(loop.index0 + 1) : new Undefined("there is no next item");
            case "cycle" ->
                new Function(name, arguments -> {
                    if (arguments.positional().isEmpty()) {
                        throw new TemplateFailure("no items for cycling given");
                    }
                    return arguments
                            .positional()
                            .get(loop.index0 % arguments.positional().size());
                });
            case "changed" ->
                new Function(name, arguments -> {
                    Items current = Items.tuple(evaluator.budget(), arguments.positional());
                    boolean same =
                            loop.lastChanged != null && evaluator.operators().equal(current, loop.lastChanged);
                    loop.lastChanged = current;
                    return Bool.of(!same);
                });
            default -> null;
        };
    }
}
