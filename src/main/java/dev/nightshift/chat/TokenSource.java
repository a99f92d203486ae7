package dev.nightshift.chat;

import dev.nightshift.engine.SequenceRequest;
import dev.nightshift.engine.TokenEvent;

/**
 * What chat needs of the engine, which owns a device and a thread; a script of tokens serves as well, so that stop strings,
 * characters and failures are tested token by token.
 */
public interface TokenSource {

    /** Puts a sequence into the engine's bounded queue; throws QUEUE_FULL, and the adapter then stays with the caller. */
    Tokens submit(SequenceRequest request);

    /** The events of one sequence, for one reader. */
    interface Tokens {

        /** The next event, or null if there is none yet; after Finished or Failed there are no more. */
        TokenEvent poll();

        /** Ends the sequence before the next step. Any thread, any number of times. */
        void cancel();
    }
}
