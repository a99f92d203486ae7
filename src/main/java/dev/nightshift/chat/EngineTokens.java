package dev.nightshift.chat;

import dev.nightshift.engine.EngineLoop;
import dev.nightshift.engine.Sequence;
import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.engine.TokenEvent;
import java.util.List;
import java.util.Objects;

/** The engine as a source of tokens. */
public record EngineTokens(EngineLoop loop) implements TokenSource {
    public EngineTokens {
        Objects.requireNonNull(loop, "loop is null");
    }

    @Override
    public List<Running> submit(List<SequenceRequest> requests) {
        return loop.submit(requests).stream().map(Running::new).toList();
    }

    record Running(Sequence sequence) implements Tokens {
        @Override
        public TokenEvent poll() {
            return sequence.poll();
        }

        @Override
        public void cancel() {
            sequence.cancel();
        }
    }
}
