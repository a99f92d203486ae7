package dev.nightshift.train.data;

import dev.nightshift.failure.ServingException;
import dev.nightshift.template.ChatPrompt;
import dev.nightshift.template.RenderedPrompt;
import dev.nightshift.tokenizer.AlignedTokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Which tokens of a conversation the assistant wrote: what follows the prompt that serving would have given it, to its end
 * token. A template that marks them itself ({@code generation} blocks) is believed; otherwise each turn is found by rendering
 * the conversation before it. A token that holds a character of a turn belongs to it.
 */
final class ChatMask {
    private final Conversations conversations;

    ChatMask(Conversations conversations) {
        this.conversations = conversations;
    }

    /** Characters of the rendered conversation and the weight of their tokens. */
    private record Turn(int from, int to, float weight) {}

    /** @throws RowFault where the template refuses the conversation, or no turn can be found in it */
    Masked of(Example.Dialogue dialogue, boolean trainOnInputs) throws RowFault {
        RenderedPrompt whole;
        try {
            whole = render(dialogue, dialogue.messages().size(), false);
        } catch (ServingException e) {
            throw new RowFault(e.getMessage());
        }
        AlignedTokens tokens = conversations.tokenizer().alignRendered(whole.text(), ranges(whole));
        float[] weights = new float[tokens.ids().length];
        if (trainOnInputs) {
            Arrays.fill(weights, 1);
            return new Masked(tokens.ids(), weights, false);
        }
        List<Turn> turns = marked(dialogue, whole);
        boolean lastOnly = false;
        if (turns == null) {
            turns = found(dialogue, whole);
        }
        if (turns == null) {
            turns = List.of(last(dialogue, whole));
            lastOnly = true;
        }
        for (Turn turn : turns) {
            mark(tokens, weights, turn);
        }
        return new Masked(tokens.ids(), weights, lastOnly);
    }

    private RenderedPrompt render(Example.Dialogue dialogue, int messages, boolean generationPrompt) {
        return conversations
                .template()
                .apply(new ChatPrompt(
                        dialogue.messages().subList(0, messages),
                        dialogue.tools(),
                        null,
                        generationPrompt,
                        false,
                        Map.of()));
    }

    private static int[] ranges(RenderedPrompt rendered) {
        int[] ranges = new int[2 * rendered.untrusted().size()];
        for (int i = 0; i < rendered.untrusted().size(); i++) {
            ranges[2 * i] = rendered.untrusted().get(i).from();
            ranges[2 * i + 1] = rendered.untrusted().get(i).to();
        }
        return ranges;
    }

    private static List<Integer> assistants(Example.Dialogue dialogue) {
        List<Integer> indices = new ArrayList<>();
        for (int i = 0; i < dialogue.messages().size(); i++) {
            if (dialogue.messages().get(i).get("role").equals("assistant")) {
                indices.add(i);
            }
        }
        return indices;
    }

    /** By the template's own marks, one for each of the assistant's messages; null if it has none, or others. */
    private static List<Turn> marked(Example.Dialogue dialogue, RenderedPrompt whole) {
        List<Integer> assistants = assistants(dialogue);
        if (whole.generated().size() != assistants.size()) {
            return null;
        }
        List<Turn> turns = new ArrayList<>();
        for (int i = 0; i < assistants.size(); i++) {
            RenderedPrompt.Span span = whole.generated().get(i);
            turns.add(new Turn(span.from(), span.to(), dialogue.weights()[assistants.get(i)]));
        }
        return turns;
    }

    /** By rendering each turn's prompt, and the conversation with the turn; null if one of them is written otherwise later on. */
    private List<Turn> found(Example.Dialogue dialogue, RenderedPrompt whole) {
        List<Turn> turns = new ArrayList<>();
        int size = dialogue.messages().size();
        for (int index : assistants(dialogue)) {
            if (dialogue.weights()[index] == 0) {
                continue;
            }
            try {
                int from = start(dialogue, index, whole.text());
                String upTo = index == size - 1
                        ? whole.text()
                        : render(dialogue, index + 1, false).text();
                if (from < 0 || !whole.text().startsWith(upTo) || upTo.length() <= from) {
                    return null;
                }
                turns.add(new Turn(from, upTo.length(), dialogue.weights()[index]));
            } catch (ServingException refusal) {
                return null; // the template does not render parts of this conversation
            }
        }
        return turns;
    }

    /** Where a turn begins, or -1: behind what the conversation has in common with the turn's prompt. */
    private int start(Example.Dialogue dialogue, int index, String whole) {
        if (index == 0) {
            Object content = dialogue.messages().getFirst().get("content");
            return content instanceof String text ? whole.indexOf(text.strip()) : -1;
        }
        String prompt = render(dialogue, index, true).text();
        int from = common(prompt, whole);
        // a generation prompt may hold more than the turn's head, such as the begin of a thought, but the head must be
        // there
        return from >= common(prompt, render(dialogue, index, false).text()) ? from : -1;
    }

    private static int common(String a, String b) {
        int mismatch = Arrays.mismatch(a.toCharArray(), b.toCharArray());
        return mismatch < 0 ? a.length() : mismatch;
    }

    private Turn last(Example.Dialogue dialogue, RenderedPrompt whole) throws RowFault {
        int index = dialogue.messages().size() - 1;
        if (dialogue.weights()[index] == 0) {
            throw new RowFault("the template lets only the last turn be learnt, whose weight is 0");
        }
        try {
            int from = start(dialogue, index, whole.text());
            if (from >= 0) {
                return new Turn(from, whole.text().length(), dialogue.weights()[index]);
            }
        } catch (ServingException refusal) {
            throw new RowFault(refusal.getMessage());
        }
        throw new RowFault("the template writes the last turn so that its begin can't be found");
    }

    private void mark(AlignedTokens tokens, float[] weights, Turn turn) {
        int first = -1;
        int last = -1;
        for (int i = 0; i < weights.length; i++) {
            boolean inside = tokens.from()[i] < turn.to() && tokens.to()[i] > turn.from();
            if (inside) {
                first = first < 0 ? i : first;
                last = i;
            }
        }
        if (first < 0) {
            return;
        }
        int end = endToken(tokens, first, last);
        Arrays.fill(weights, first, end + 1, turn.weight());
    }

    /** The turn's last token that the model has to write: its end token, not the line feed that templates put behind. */
    private int endToken(AlignedTokens tokens, int first, int last) {
        if (last + 1 < tokens.ids().length && conversations.ends().contains(tokens.ids()[last + 1])) {
            return last + 1;
        }
        int end = last;
        while (end > first
                && !conversations.ends().contains(tokens.ids()[end])
                && conversations.tokenizer().tokenText(tokens.ids()[end]).isBlank()) {
            end--;
        }
        return conversations.ends().contains(tokens.ids()[end]) ? end : last;
    }
}
