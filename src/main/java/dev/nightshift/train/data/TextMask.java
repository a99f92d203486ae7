package dev.nightshift.train.data;

import dev.nightshift.tokenizer.AlignedTokens;
import java.util.Arrays;

/** Texts that no template frames: as {@code /v1/completions} encodes prompts, with the end token behind. */
final class TextMask {
    private final Conversations conversations;

    TextMask(Conversations conversations) {
        this.conversations = conversations;
    }

    /** A token bears the largest weight of the pieces that it holds a character of. */
    Masked of(Example.Plain plain, boolean trainOnInputs) {
        StringBuilder text = new StringBuilder();
        plain.pieces().forEach(piece -> text.append(piece.text()));
        AlignedTokens tokens = conversations.tokenizer().align(text.toString(), true);
        float[] weights = new float[tokens.ids().length];
        int from = 0;
        for (Example.Piece piece : plain.pieces()) {
            int to = from + piece.text().length();
            for (int i = 0; i < weights.length; i++) {
                if (tokens.from()[i] < to && tokens.to()[i] > from) {
                    weights[i] = Math.max(weights[i], trainOnInputs ? 1 : piece.weight());
                }
            }
            from = to;
        }
        float last = trainOnInputs ? 1 : plain.pieces().getLast().weight();
        return ended(tokens.ids(), weights, last);
    }

    /**
     * The prompt's tokens are those that serving would see, wherever the whole text has them too; else both parts are encoded
     * by themselves.
     */
    Masked of(Example.Completion example, boolean trainOnInputs) {
        int[] prompt = withoutEnd(conversations.tokenizer().encode(example.prompt(), true));
        int[] whole = conversations.tokenizer().encode(example.prompt() + example.completion(), true);
        boolean shared =
                whole.length > prompt.length && Arrays.equals(whole, 0, prompt.length, prompt, 0, prompt.length);
        int[] ids = whole;
        if (!shared) {
            int[] answer = conversations.tokenizer().encode(example.completion(), false);
            ids = Arrays.copyOf(prompt, prompt.length + answer.length);
            System.arraycopy(answer, 0, ids, prompt.length, answer.length);
        }
        float[] weights = new float[ids.length];
        Arrays.fill(weights, trainOnInputs ? 0 : prompt.length, ids.length, 1);
        return ended(ids, weights, 1);
    }

    private int[] withoutEnd(int[] ids) {
        boolean ended = ids.length > 0 && isEnd(ids[ids.length - 1]);
        return ended ? Arrays.copyOf(ids, ids.length - 1) : ids;
    }

    private boolean isEnd(int id) {
        return conversations.eos().isPresent() && conversations.eos().getAsInt() == id;
    }

    private Masked ended(int[] ids, float[] weights, float weight) {
        if (conversations.eos().isEmpty()) {
            return new Masked(ids, weights, false);
        }
        boolean there = ids.length > 0 && isEnd(ids[ids.length - 1]);
        int size = there ? ids.length : ids.length + 1;
        int[] endedIds = Arrays.copyOf(ids, size);
        float[] endedWeights = Arrays.copyOf(weights, size);
        endedIds[size - 1] = conversations.eos().getAsInt();
        endedWeights[size - 1] = weight;
        return new Masked(endedIds, endedWeights, false);
    }
}
