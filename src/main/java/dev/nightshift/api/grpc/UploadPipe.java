package dev.nightshift.api.grpc;

import com.google.protobuf.ByteString;
import dev.nightshift.failure.ServingException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * Pieces of an upload as the stream that a thread of its own publishes from. One piece is asked for at a time, when the one before
 * has been read, so a fast client waits for the disk.
 */
final class UploadPipe<M, H, A> extends InputStream implements StreamObserver<M> {
    /** What a message brings. */
    sealed interface Part<H> {
        /** What is uploaded: the first message, and no other. */
        record Head<H>(H head) implements Part<H> {}

        /** The next bytes. */
        record Chunk<H>(ByteString bytes) implements Part<H> {}

        /** Neither. */
        record Nothing<H>() implements Part<H> {}
    }

    private sealed interface Piece {}

    private record Bytes(ByteString bytes) implements Piece {}

    private record End() implements Piece {}

    private record Broken(String reason) implements Piece {}

    private final ServerCallStreamObserver<A> call;
    private final Function<M, Part<H>> reader;
    private final BiFunction<H, InputStream, A> publisher;
    /** The piece that was asked for, and the end or the breaking off that may follow at once. */
    private final BlockingQueue<Piece> pieces = new ArrayBlockingQueue<>(4);

    private boolean started;
    private volatile boolean answered;
    private InputStream piece = InputStream.nullInputStream();

    private UploadPipe(
            ServerCallStreamObserver<A> call, Function<M, Part<H>> reader, BiFunction<H, InputStream, A> publisher) {
        this.call = call;
        this.reader = reader;
        this.publisher = publisher;
    }

    /**
     * Begins to listen.
     *
     * @param publisher gives the answer, when it has read everything; on a thread of the upload's own
     */
    static <M, H, A> StreamObserver<M> start(
            StreamObserver<A> observer, Function<M, Part<H>> reader, BiFunction<H, InputStream, A> publisher) {
        ServerCallStreamObserver<A> call = (ServerCallStreamObserver<A>) observer;
        UploadPipe<M, H, A> pipe = new UploadPipe<>(call, reader, publisher);
        call.disableAutoRequest();
        call.setOnCancelHandler(() -> pipe.pieces.offer(new Broken("the client has gone")));
        call.request(1);
        return pipe;
    }

    @Override
    public void onNext(M message) {
        switch (reader.apply(message)) {
            case Part.Head<H>(H head) -> begin(head);
            case Part.Chunk<H>(ByteString bytes) -> {
                if (started) {
                    pieces.offer(new Bytes(bytes));
                } else {
                    refuse("the first message says what is uploaded");
                }
            }
            case Part.Nothing<H>() -> refuse("a message that is empty");
        }
    }

    private void begin(H head) {
        if (started) {
            refuse("what is uploaded is said twice");
            return;
        }
        started = true;
        Thread.ofVirtual().name("upload").start(() -> {
            Once.answer(call, () -> publisher.apply(head, this));
            answered = true;
        });
        call.request(1);
    }

    /** A mistake of the client, told by who is in charge of the answer. */
    private void refuse(String why) {
        if (started) {
            pieces.offer(new Broken(why));
        } else if (!answered) {
            answered = true;
            call.onError(Failures.answer(ServingException.invalid("part", "part: " + why)));
        }
    }

    @Override
    public void onError(Throwable gone) {
        pieces.offer(new Broken("the client broke the upload off"));
    }

    @Override
    public void onCompleted() {
        if (started) {
            pieces.offer(new End());
        } else {
            refuse("nothing was uploaded");
        }
    }

    // ---- the publishing thread

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
    }

    @Override
    public int read(byte[] into, int at, int length) throws IOException {
        int count = piece.read(into, at, length);
        while (count < 0) {
            switch (take()) {
                case Bytes more -> {
                    piece = more.bytes().newInput();
                    call.request(1);
                }
                case End() -> {
                    return -1;
                }
                case Broken(String reason) -> throw new IOException(reason);
            }
            count = piece.read(into, at, length);
        }
        return count;
    }

    private Piece take() throws IOException {
        try {
            return pieces.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
