package dev.nightshift.template;

import java.util.List;

/**
 * A rendered chat template that remembers where its characters come from.
 *
 * @param untrusted ranges of {@code text} that come from the strings of messages, tools or documents, in order, not touching;
 *     a special token counts as one only if none of its characters lies in such a range
 * @param generated ranges inside {@code {% generation %}} blocks
 */
public record RenderedPrompt(String text, List<Span> untrusted, List<Span> generated) {
    public RenderedPrompt {
        untrusted = List.copyOf(untrusted);
        generated = List.copyOf(generated);
    }

    /** Characters {@code from} (inclusive) to {@code to} (UTF-16 units). */
    public record Span(int from, int to) {}
}
