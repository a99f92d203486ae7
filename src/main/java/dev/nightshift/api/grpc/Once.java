package dev.nightshift.api.grpc;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.grpc.stub.StreamObserver;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/** Calls that are answered where they run, and the failures of those that only start there. */
final class Once {
    private static final Logger LOG = Logger.getLogger(Once.class);

    private Once() {}

    /** Sends what is supplied, or the status of why it is not. */
    static <A> void answer(StreamObserver<A> observer, Supplier<A> answer) {
        guard(observer, () -> {
            observer.onNext(answer.get());
            observer.onCompleted();
        });
    }

    /** Runs the beginning of a call; a failure of it is the call's status. */
    static void guard(StreamObserver<?> observer, Runnable begin) {
        try {
            begin.run();
        } catch (ServingException e) {
            observer.onError(Failures.answer(e));
        } catch (RuntimeException e) {
            LOG.error("A call failed", e);
            observer.onError(Failures.answer(
                    new ServingException(ErrorCode.INTERNAL, "Internal error; the server's log has the reason", e)));
        }
    }
}
