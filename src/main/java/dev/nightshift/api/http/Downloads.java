package dev.nightshift.api.http;

import dev.nightshift.adapter.FolderDownload;
import io.smallrye.mutiny.Uni;
import io.smallrye.mutiny.subscription.UniEmitter;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.core.Response;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.util.OptionalLong;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/**
 * Sends files and folders at the pace of their readers: what a reader does not take stays on disk, and one that takes nothing for
 * {@code nightshift.slow-reader} is cut off. Each download has a virtual thread, which reads.
 */
@ApplicationScoped
public class Downloads {
    private static final Logger LOG = Logger.getLogger(Downloads.class);
    /** Under way at a time. */
    private static final int PIECE_BYTES = 1 << 16;

    static final String THREAD = "http-download";

    private final StreamTimes times;

    Downloads(StreamTimes times) {
        this.times = times;
    }

    /** A folder as a {@code .tar}. */
    Uni<Response> tar(RoutingContext call, Supplier<FolderDownload> open) {
        return send(call, () -> {
            FolderDownload folder = open.get();
            return new Download(
                    "application/x-tar",
                    "attachment; filename=\"" + folder.fileName() + "\"",
                    OptionalLong.empty(),
                    new Download.Body() {
                        @Override
                        public void writeTo(OutputStream out) throws IOException {
                            folder.writeTo(out);
                        }

                        @Override
                        public void close() {
                            folder.close();
                        }
                    });
        });
    }

    /** @param open runs on the download's thread; what it throws is the answer */
    Uni<Response> send(RoutingContext call, Supplier<Download> open) {
        PacedResponse response = new PacedResponse(call, times.slowReader());
        boolean headOnly = call.request().method().equals(HttpMethod.HEAD);
        return Uni.createFrom()
                .emitter(
                        emitter -> Thread.ofVirtual().name(THREAD).start(() -> run(response, headOnly, open, emitter)));
    }

    private static void run(
            PacedResponse response, boolean headOnly, Supplier<Download> open, UniEmitter<? super Response> emitter) {
        Download download;
        try {
            download = open.get();
        } catch (RuntimeException e) {
            response.later(refused -> emitter.fail(e));
            return;
        }
        try (download) {
            response.later(begun -> begin(begun, download));
            if (!headOnly) {
                OutputStream pieces = new BufferedOutputStream(new Pieces(response), PIECE_BYTES);
                download.body().writeTo(pieces);
                pieces.flush();
            }
            response.later(HttpServerResponse::end);
        } catch (IOException | RuntimeException e) {
            if (!response.gone()) {
                LOG.errorf(e, "A download (%s) broke off", download.disposition());
                response.cut();
            }
        }
        // the framework has nothing more to write
        response.later(ended -> emitter.complete(null));
    }

    private static void begin(HttpServerResponse response, Download download) {
        response.putHeader("Content-Type", download.type());
        response.putHeader("Content-Disposition", download.disposition());
        if (download.bytes().isPresent()) {
            response.putHeader("Content-Length", Long.toString(download.bytes().getAsLong()));
        } else {
            response.setChunked(true);
        }
    }

    /** The answer's body as a stream whose writes wait. */
    private static final class Pieces extends OutputStream {
        private final PacedResponse response;

        Pieces(PacedResponse response) {
            this.response = response;
        }

        @Override
        public void write(int one) throws IOException {
            write(new byte[] {(byte) one}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            for (int at = 0; at < count; at += PIECE_BYTES) {
                send(Buffer.buffer().appendBytes(bytes, from + at, Math.min(PIECE_BYTES, count - at)));
            }
        }

        private void send(Buffer piece) throws IOException {
            try {
                if (!response.send(piece)) {
                    throw new IOException("nobody reads it any more");
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted");
            }
        }
    }
}
