package dev.nightshift.api.grpc;

import com.google.protobuf.ByteString;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.AdapterVersion;
import dev.nightshift.proto.v1.UploadAdapterRequest;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/**
 * Pieces of an upload as the stream that a thread of its own publishes from. One piece is asked for at a time, when the one before
 * has been read, so a fast client waits for the disk.
 */
final class UploadPipe extends InputStream implements StreamObserver<UploadAdapterRequest> {
    private sealed interface Piece {}

    private record Bytes(ByteString bytes) implements Piece {}

    private record End() implements Piece {}

    private record Broken(String reason) implements Piece {}

    private final ServerCallStreamObserver<AdapterVersion> call;
    private final ServedAdapters adapters;
    /** The piece that was asked for, and the end or the breaking off that may follow at once. */
    private final BlockingQueue<Piece> pieces = new ArrayBlockingQueue<>(4);

    private boolean started;
    private volatile boolean answered;
    private InputStream piece = InputStream.nullInputStream();

    private UploadPipe(ServerCallStreamObserver<AdapterVersion> call, ServedAdapters adapters) {
        this.call = call;
        this.adapters = adapters;
    }

    /** Begins to listen; the answer comes when the upload is published. */
    static StreamObserver<UploadAdapterRequest> start(
            ServerCallStreamObserver<AdapterVersion> call, ServedAdapters adapters) {
        UploadPipe pipe = new UploadPipe(call, adapters);
        call.disableAutoRequest();
        call.setOnCancelHandler(() -> pipe.pieces.offer(new Broken("the client has gone")));
        call.request(1);
        return pipe;
    }

    @Override
    public void onNext(UploadAdapterRequest message) {
        switch (message.getPartCase()) {
            case NAME -> begin(message.getName());
            case CHUNK -> {
                if (started) {
                    pieces.offer(new Bytes(message.getChunk()));
                } else {
                    refuse("the first message gives the name");
                }
            }
            case PART_NOT_SET -> refuse("a message without name and chunk");
        }
    }

    private void begin(String name) {
        if (started) {
            refuse("the name is given twice");
            return;
        }
        started = true;
        Thread.ofVirtual().name("adapter-upload").start(() -> {
            Once.answer(call, () -> AdapterMessages.version(adapters.get().upload(name, this)));
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
            refuse("the upload has no name");
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
