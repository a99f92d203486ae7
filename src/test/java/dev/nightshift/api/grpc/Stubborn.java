package dev.nightshift.api.grpc;

import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;

/** Reads one message of a stream and no more, until it is told to. */
final class Stubborn<Q, R> implements ClientResponseObserver<Q, R> {
    private final Consumer<R> reader;
    private final CountDownLatch first = new CountDownLatch(1);
    private final CompletableFuture<Void> end = new CompletableFuture<>();
    private ClientCallStreamObserver<Q> call;

    Stubborn(Consumer<R> reader) {
        this.reader = reader;
    }

    /** One that adds up what its messages weigh. */
    static <Q, R> Stubborn<Q, R> counting(AtomicLong total, ToLongFunction<R> weight) {
        return new Stubborn<>(message -> total.addAndGet(weight.applyAsLong(message)));
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<Q> starting) {
        call = starting;
        call.disableAutoRequestWithInitial(1);
    }

    @Override
    public void onNext(R message) {
        reader.accept(message);
        first.countDown();
    }

    @Override
    public void onError(Throwable failure) {
        end.completeExceptionally(failure);
    }

    @Override
    public void onCompleted() {
        end.complete(null);
    }

    boolean awaitFirst() throws InterruptedException {
        return first.await(10, TimeUnit.SECONDS);
    }

    void readOn() throws Exception {
        call.request(Integer.MAX_VALUE);
        end.get(60, TimeUnit.SECONDS);
    }

    /** Reads on, to a failure that this returns. */
    Status readOnToFailure() throws Exception {
        call.request(Integer.MAX_VALUE);
        try {
            end.get(60, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            return Status.fromThrowable(e.getCause());
        }
        throw new AssertionError("the stream came to its end");
    }

    void leave() {
        call.cancel("enough", null);
    }
}
