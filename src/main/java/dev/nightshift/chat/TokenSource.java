package dev.nightshift.chat;

import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.engine.TokenEvent;
import java.util.List;

/**
 * What chat needs of the engine, which owns a device and a thread; a script of tokens serves as well, so that stop strings,
 * characters and failures are tested token by token.
 */
public interface TokenSource {

    /**
     * Puts sequences into the engine's bounded queue: all of them or, if one is refused, none. The adapters then stay with the
     * caller.
     */
    List<? extends Tokens> submit(List<SequenceRequest> requests);

    /** The events of one sequence, for one reader. */
    interface Tokens {

        /** The next event, or null if there is none yet; after Finished or Failed there are no more. */
        TokenEvent poll();

        /** Ends the sequence before the next step. Any thread, any number of times. */
        void cancel();
    }
}
