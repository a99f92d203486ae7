package dev.nightshift.api.grpc;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import java.time.Duration;

/**
 * How long a server stream waits for a client that reads nothing.
 *
 * @param slowReader after so long it counts as gone
 */
public record ReaderPatience(Duration slowReader) {

    /** The end of a stream of {@code what}. */
    ServingException stalled(String what) {
        return new ServingException(
                ErrorCode.CANCELLED, "nothing of %s was read for %d ms".formatted(what, slowReader.toMillis()));
    }
}
