package dev.nightshift.train.data;

import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.RenderedPrompt;
import dev.nightshift.tokenizer.Tokenizer;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;

/**
 * How conversations become tokens, which is how the served model reads them.
 *
 * @param template normalises and renders; throws INVALID_REQUEST where the template refuses
 * @param ends tokens that end a turn
 * @param eos put behind texts that no template ends
 */
public record Conversations(
        Function<ChatPrompt, RenderedPrompt> template, Tokenizer tokenizer, Set<Integer> ends, OptionalInt eos) {
    public Conversations {
        Objects.requireNonNull(template, "template is null");
        Objects.requireNonNull(tokenizer, "tokenizer is null");
        ends = Set.copyOf(ends);
    }
}
