package dev.nightshift.api.grpc;

import dev.nightshift.chat.ChatEvent;
import dev.nightshift.failure.ServingException;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.function.Consumer;

/**
 * One call's way out: events to messages, the end to a status.
 *
 * @param paced whether events wait until the connection takes them
 * @param events writes them
 * @param ended told once the call has its status
 */
record CallSink(ServerCallStreamObserver<?> call, boolean paced, Consumer<ChatEvent> events, Runnable ended)
        implements Pump.Sink {

    @Override
    public boolean ready() {
        return !paced || call.isReady();
    }

    @Override
    public void event(ChatEvent event) {
        events.accept(event);
    }

    @Override
    public void end(ServingException failure) {
        try {
            if (call.isCancelled()) {
                return;
            }
            if (failure == null) {
                call.onCompleted();
            } else {
                call.onError(Failures.answer(failure));
            }
        } finally {
            ended.run();
        }
    }
}
