package dev.nightshift.api.grpc;

import com.google.protobuf.UnsafeByteOperations;
import dev.nightshift.adapter.AdapterDownload;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.proto.v1.DownloadAdapterResponse;
import io.grpc.stub.ServerCallStreamObserver;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jboss.logging.Logger;

/** An archive as messages, written by a thread of its own that waits while the client's window is full. */
final class DownloadStream extends OutputStream {
    private static final Logger LOG = Logger.getLogger(DownloadStream.class);
    private static final int CHUNK_BYTES = 1 << 18;
    /** A client that reads nothing for so long counts as gone. */
    private static final long STALLED_SECONDS = 60;

    private final ServerCallStreamObserver<DownloadAdapterResponse> call;
    private final Semaphore signals = new Semaphore(0);

    private DownloadStream(ServerCallStreamObserver<DownloadAdapterResponse> call) {
        this.call = call;
    }

    /** Takes the download over and closes it. Handlers are set before the first message. */
    static void start(ServerCallStreamObserver<DownloadAdapterResponse> call, AdapterDownload download) {
        DownloadStream stream = new DownloadStream(call);
        call.setOnReadyHandler(stream.signals::release);
        call.setOnCancelHandler(stream.signals::release);
        Thread.ofVirtual().name("adapter-download").start(() -> stream.run(download));
    }

    private void run(AdapterDownload download) {
        try (download;
                OutputStream out = new BufferedOutputStream(this, CHUNK_BYTES)) {
            download.writeTo(out);
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
        call.onNext(DownloadAdapterResponse.newBuilder()
                .setChunk(UnsafeByteOperations.unsafeWrap(Arrays.copyOfRange(bytes, from, from + count)))
                .build());
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
