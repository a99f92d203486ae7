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
    private final ServerCallStreamObserver<R> call;
    private final ReaderPatience patience;
    private final PacedCall<R> paced;
    private final Function<ByteString, R> message;

    private DownloadStream(ServerCallStreamObserver<R> call, ReaderPatience patience, Function<ByteString, R> message) {
        this.call = call;
        this.patience = patience;
        this.paced = new PacedCall<>(call, patience);
        this.message = message;
    }

    /** Takes the content over and closes it. */
    static <R> void start(
            StreamObserver<R> observer, ReaderPatience patience, Function<ByteString, R> message, Content content) {
        DownloadStream<R> stream = new DownloadStream<>((ServerCallStreamObserver<R>) observer, patience, message);
        Thread.ofVirtual().name("download").start(() -> stream.run(content));
    }

    private void run(Content content) {
        try (content;
                OutputStream out = new BufferedOutputStream(this, CHUNK_BYTES)) {
            content.writeTo(out);
            call.onCompleted();
        } catch (ServingException e) {
            LOG.debugf("A download ended early: %s", e.getMessage());
            call.onError(Failures.answer(e));
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
        R chunk = message.apply(UnsafeByteOperations.unsafeWrap(Arrays.copyOfRange(bytes, from, from + count)));
        try {
            switch (paced.send(chunk)) {
                case WRITTEN -> {}
                case LEFT -> throw new IOException("the client has gone");
                case STALLED -> throw patience.stalled("the download");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
