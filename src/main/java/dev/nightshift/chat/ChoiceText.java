package dev.nightshift.chat;

import dev.nightshift.chat.ChatEvent.TokenLogprob;
import dev.nightshift.engine.FinishReason;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.engine.TokenEvent.Scored;
import dev.nightshift.tokenizer.StreamingDecoder;
import dev.nightshift.tokenizer.Tokenizer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Consumer;

/**
 * The tokens of one choice turned into text: whole characters, and nothing that may still become a stop string. A token leaves
 * with the text that completes it. One reader, not thread-safe.
 */
final class ChoiceText {
    private final int choice;
    private final ChatRequest request;
    private final Tokenizer tokenizer;
    private final StreamingDecoder decoder;
    private final StopStrings stops;
    private final StringBuilder held = new StringBuilder();
    private final Deque<Held> tokens = new ArrayDeque<>();
    private int sent; // characters that have left
    private int generated;
    private boolean complete;

    /** A token whose text waits, wholly or in part, with its place in the whole text. */
    private static final class Held {
        final Scored scored;
        final int from;
        int to;
        boolean partOfCharacter;

        Held(Scored scored, int from, int to, boolean partOfCharacter) {
            this.scored = scored;
            this.from = from;
            this.to = to;
            this.partOfCharacter = partOfCharacter;
        }
    }

    ChoiceText(int choice, ChatRequest request, Tokenizer tokenizer) {
        this.choice = choice;
        this.request = request;
        this.tokenizer = tokenizer;
        this.decoder = tokenizer.streaming(request.skipSpecialTokens());
        this.stops = new StopStrings(request.stops());
    }

    /** Whether the choice has its end; what the engine still sends for it doesn't count. */
    boolean complete() {
        return complete;
    }

    int generated() {
        return generated;
    }

    private int length() {
        return sent + held.length();
    }

    void token(Scored scored, Consumer<ChatEvent> out) {
        generated++;
        String piece = decoder.push(scored.id());
        int from = length();
        if (!piece.isEmpty()) {
            completeCharacter(from + Character.charCount(piece.codePointAt(0)));
        }
        tokens.add(new Held(scored, from, from + piece.length(), decoder.holdsBack()));
        if (!append(piece, out)) {
            release(length() - stops.heldBack(), out);
        }
    }

    /** Tokens that brought the first bytes of a character end with it. */
    private void completeCharacter(int end) {
        for (Held token : tokens) {
            if (token.partOfCharacter) {
                token.to = Math.max(token.to, end);
                token.partOfCharacter = false;
            }
        }
    }

    /** Adds text; true if that completed a stop string, and with it the choice. */
    private boolean append(String piece, Consumer<ChatEvent> out) {
        for (int i = 0; i < piece.length(); i++) {
            held.append(piece.charAt(i));
            int stop = stops.next(piece.charAt(i));
            if (stop >= 0 && generated > request.sampling().minTokens()) {
                String found = request.stops().get(stop);
                int end = request.includeStop() ? length() : length() - found.length();
                cut(end);
                finish(FinishReason.STOP, found, out);
                return true;
            }
        }
        return false;
    }

    /** The text ends here, and so do the tokens: those behind it are not part of the answer. */
    private void cut(int end) {
        held.setLength(end - sent);
        tokens.removeIf(token -> token.from >= end && (token.to > end || token.partOfCharacter));
        tokens.forEach(token -> token.to = Math.min(token.to, end));
    }

    /** Sends what stands before {@code until}. */
    private void release(int until, Consumer<ChatEvent> out) {
        if (until <= sent) {
            return;
        }
        List<Held> leaving = new ArrayList<>();
        while (!tokens.isEmpty() && tokens.peek().to <= until && !tokens.peek().partOfCharacter) {
            leaving.add(tokens.poll());
        }
        out.accept(text(held.substring(0, until - sent), leaving));
        held.delete(0, until - sent);
        sent = until;
    }

    private ChatEvent.Text text(String text, List<Held> leaving) {
        List<Integer> ids = new ArrayList<>(leaving.size());
        List<TokenLogprob> logprobs = new ArrayList<>();
        for (Held token : leaving) {
            ids.add(token.scored.id());
            if (request.sampling().topLogprobs() >= 0) {
                logprobs.add(logprob(tokenizer, token.scored));
            }
        }
        return new ChatEvent.Text(choice, text, ids, logprobs);
    }

    /** The engine's own end: what was held back leaves, for it became no stop string. */
    void finished(TokenEvent.Finished end, Consumer<ChatEvent> out) {
        String rest = decoder.finish();
        if (!rest.isEmpty()) {
            completeCharacter(length() + rest.length());
            if (append(rest, out)) {
                return;
            }
        }
        tokens.forEach(token -> token.partOfCharacter = false);
        if (end.stopId() >= 0) {
            generated++;
            if (end.stopScored() != null && request.sampling().topLogprobs() >= 0) {
                // no text, but a token with a score: clients that sum scores count on it
                tokens.add(new Held(end.stopScored(), length(), length(), false));
            }
        }
        boolean asked = request.sampling().stopIds().contains(end.stopId());
        finish(end.reason(), asked ? (Object) end.stopId() : null, out);
    }

    private void finish(FinishReason reason, Object stopReason, Consumer<ChatEvent> out) {
        complete = true;
        if (!held.isEmpty() || !tokens.isEmpty()) {
            out.accept(text(held.toString(), List.copyOf(tokens)));
        }
        held.setLength(0);
        tokens.clear();
        out.accept(new ChatEvent.ChoiceFinished(choice, reason, stopReason, generated));
    }

    /** A token as clients see it. */
    static TokenLogprob logprob(Tokenizer tokenizer, Scored scored) {
        List<TokenLogprob> top = new ArrayList<>(scored.topIds().length);
        for (int i = 0; i < scored.topIds().length; i++) {
            top.add(logprob(tokenizer, scored.topIds()[i], scored.topLogprobs()[i], List.of()));
        }
        return logprob(tokenizer, scored.id(), scored.logprob(), top);
    }

    static TokenLogprob logprob(Tokenizer tokenizer, int id, float logprob, List<TokenLogprob> top) {
        return new TokenLogprob(
                id, tokenizer.tokenText(id), tokenizer.tokenBytes(id).clone(), logprob, top);
    }
}
