package dev.nightshift;

import dev.nightshift.chat.TokenSource;
import dev.nightshift.engine.FinishReason;
import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.engine.TokenEvent;
import dev.nightshift.telemetry.ServingMeters;
import java.util.List;
import java.util.Locale;

/** Times of sequences, taken where a reader takes its events, whichever interface it reads for. */
final class MeteredTokens implements TokenSource {
    private final TokenSource source;
    private final ServingMeters meters;

    MeteredTokens(TokenSource source, ServingMeters meters) {
        this.source = source;
        this.meters = meters;
    }

    @Override
    public List<? extends Tokens> submit(List<SequenceRequest> requests) {
        long submitted = System.nanoTime();
        return source.submit(requests).stream()
                .map(sequence -> new Timed(sequence, submitted))
                .toList();
    }

    private final class Timed implements Tokens {
        private final Tokens sequence;
        private final long submitted;
        /** When the last token was read, 0 before the first. */
        private long lastToken;

        Timed(Tokens sequence, long submitted) {
            this.sequence = sequence;
            this.submitted = submitted;
        }

        @Override
        public TokenEvent poll() {
            TokenEvent event = sequence.poll();
            switch (event) {
                case null -> {}
                case TokenEvent.Token token -> token();
                case TokenEvent.Finished finished -> ended(name(finished.reason()));
                case TokenEvent.Failed failed -> ended("error");
                case TokenEvent.PromptScores scores -> {}
            }
            return event;
        }

        private void token() {
            long now = System.nanoTime();
            if (lastToken == 0) {
                meters.firstToken(now - submitted);
            } else {
                meters.nextToken(now - lastToken);
            }
            lastToken = now;
        }

        private void ended(String reason) {
            meters.ended(reason, System.nanoTime() - submitted);
        }

        @Override
        public void cancel() {
            sequence.cancel();
        }
    }

    /** As vLLM labels it. */
    private static String name(FinishReason reason) {
        return switch (reason) {
            case STOP, LENGTH -> reason.name().toLowerCase(Locale.ROOT);
            case CANCELLED -> "abort";
        };
    }
}
