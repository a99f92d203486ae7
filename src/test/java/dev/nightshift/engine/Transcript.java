package dev.nightshift.engine;

import dev.nightshift.failure.ServingException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Everything a sequence told its reader. */
record Transcript(
        List<Integer> ids,
        List<TokenEvent.Scored> scores,
        List<TokenEvent.Scored> promptScores,
        TokenEvent.Finished finished,
        ServingException failure) {

    /** Reads to the end; fails after a minute without an event. */
    static Transcript read(Sequence sequence) {
        List<Integer> ids = new ArrayList<>();
        List<TokenEvent.Scored> scores = new ArrayList<>();
        List<TokenEvent.Scored> prompt = new ArrayList<>();
        while (true) {
            TokenEvent event;
            try {
                event = sequence.take(Duration.ofSeconds(60));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            switch (event) {
                case null -> throw new AssertionError("no event for a minute after " + ids);
                case TokenEvent.PromptScores scored -> prompt.addAll(scored.tokens());
                case TokenEvent.Token token -> {
                    ids.add(token.scored().id());
                    scores.add(token.scored());
                }
                case TokenEvent.Finished finished -> {
                    return new Transcript(ids, scores, prompt, finished, null);
                }
                case TokenEvent.Failed failed -> {
                    return new Transcript(ids, scores, prompt, null, failed.failure());
                }
            }
        }
    }

    static List<Transcript> readAll(List<Sequence> sequences) {
        return sequences.stream().map(Transcript::read).toList();
    }
}
