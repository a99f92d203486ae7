package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.file.AsyncFile;
import io.vertx.core.file.OpenOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.RoutingContext;
import java.nio.file.Path;

/** A body on its way to a file, no faster than the disk takes it; the file goes with the request. On the event loop. */
final class SpooledBody {
    private final RoutingContext call;
    private final HttpServerRequest request;
    private final AsyncFile out;
    private final UploadRoute route;
    private long bytes;
    private boolean over;

    private SpooledBody(RoutingContext call, AsyncFile out, UploadRoute route) {
        this.call = call;
        this.request = call.request();
        this.out = out;
        this.route = route;
    }

    /** Goes on to the next step when the whole body is in the file, which must not be there yet. */
    static void read(RoutingContext call, Path file, UploadRoute route) {
        call.request().pause();
        if ("100-continue".equalsIgnoreCase(call.request().getHeader("Expect"))) {
            call.response().writeContinue();
        }
        String path = file.toString();
        call.addEndHandler(ended -> call.vertx().fileSystem().delete(path));
        OpenOptions fresh = new OpenOptions().setCreateNew(true).setRead(false);
        call.vertx()
                .fileSystem()
                .open(path, fresh)
                .onSuccess(out -> new SpooledBody(call, out, route).start())
                .onFailure(failure -> call.fail(unkept(failure)));
    }

    private void start() {
        if (call.response().ended() || call.response().closed()) {
            out.close();
            return;
        }
        out.exceptionHandler(failure -> stop(unkept(failure)));
        request.exceptionHandler(
                broken -> stop(new ServingException(ErrorCode.CANCELLED, "The client closed the connection", broken)));
        request.handler(this::take);
        request.endHandler(ended -> end());
        request.resume();
    }

    private void take(Buffer chunk) {
        bytes += chunk.length();
        if (bytes > route.bytesMax()) {
            stop(route.tooLarge().apply("The body, %d bytes so far,".formatted(bytes)));
            return;
        }
        out.write(chunk);
        if (out.writeQueueFull()) {
            request.pause();
            out.drainHandler(room -> request.resume());
        }
    }

    private void end() {
        if (!over) {
            over = true;
            out.close().onSuccess(closed -> call.next()).onFailure(failure -> call.fail(unkept(failure)));
        }
    }

    private void stop(ServingException why) {
        if (!over) {
            over = true;
            out.close();
            call.fail(why);
        }
    }

    private static ServingException unkept(Throwable cause) {
        return new ServingException(
                ErrorCode.INSUFFICIENT_STORAGE, "The upload can't be kept: " + cause.getMessage(), cause);
    }
}
