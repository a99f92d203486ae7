package dev.nightshift.api.grpc;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jboss.logging.Logger;

/** Content as messages, written by a thread of its own that waits while the client's window is full. */
final class DownloadStream<R> extends OutputStream {
    /** What is downloaded. */
    interface Content extends Closeable {
        void writeTo(OutputStream out) throws IOException;
    }

    private static final Logger LOG = Logger.getLogger(DownloadStream.class);
    private static final int CHUNK_BYTES = 1 << 18;
    /** A client that reads nothing for so long counts as gone. */
    private static final long STALLED_SECONDS = 60;

    private final ServerCallStreamObserver<R> call;
    private final Function<ByteString, R> message;
    private final Semaphore signals = new Semaphore(0);

    private DownloadStream(ServerCallStreamObserver<R> call, Function<ByteString, R> message) {
        this.call = call;
        this.message = message;
    }

    /** Takes the content over and closes it. Handlers are set before the first message. */
    static <R> void start(StreamObserver<R> observer, Function<ByteString, R> message, Content content) {
        ServerCallStreamObserver<R> call = (ServerCallStreamObserver<R>) observer;
        DownloadStream<R> stream = new DownloadStream<>(call, message);
        call.setOnReadyHandler(stream.signals::release);
        call.setOnCancelHandler(stream.signals::release);
        Thread.ofVirtual().name("download").start(() -> stream.run(content));
    }

    private void run(Content content) {
        try (content;
                OutputStream out = new BufferedOutputStream(this, CHUNK_BYTES)) {
            content.writeTo(out);
            call.onCompleted();
        } catch (IOException e) {
            LOG.debugf("A download ended early: %s", e.getMessage());
            if (!call.isCancelled()) {
                call.onError(Failures.answer(new ServingException(ErrorCode.INTERNAL, "the download broke off", e)));
            }
        }
    }

    @Override
    public void write(int one) throws IOException {
        write(new byte[] {(byte) one}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int count) throws IOException {
        awaitRoom();
        call.onNext(message.apply(UnsafeByteOperations.unsafeWrap(Arrays.copyOfRange(bytes, from, from + count))));
    }

    private void awaitRoom() throws IOException {
        try {
            while (!call.isReady()) {
                if (call.isCancelled()) {
                    throw new IOException("the client has gone");
                }
                if (!signals.tryAcquire(STALLED_SECONDS, TimeUnit.SECONDS)) {
                    throw new IOException("nothing was read for " + STALLED_SECONDS + " s");
                }
                signals.drainPermits();
            }
            if (call.isCancelled()) {
                throw new IOException("the client has gone");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
