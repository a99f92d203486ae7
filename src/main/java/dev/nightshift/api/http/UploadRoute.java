package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClosedException;
import io.vertx.ext.web.FileUpload;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jboss.logging.Logger;

/**
 * A POST route whose body goes to the disk as it comes, and which has a limit of its own: it is taken before the server's general
 * limit is looked at.
 *
 * @param bytesMax of the whole body
 * @param tooLarge the refusal, given a name for the body
 */
record UploadRoute(String path, long bytesMax, Function<String, ServingException> tooLarge) {
    private static final Logger LOG = Logger.getLogger(UploadRoute.class);

    /**
     * Three steps, each on the event loop but the last.
     *
     * @param check refuses by throwing what can be refused before the body is read
     * @param read reads the body, then calls next
     * @param answer gives the wire record of the answer, on a worker thread: checking and syncing large files takes seconds
     */
    void mount(
            Router router,
            Handler<RoutingContext> check,
            Handler<RoutingContext> read,
            Function<RoutingContext, Object> answer) {
        List<Handler<RoutingContext>> steps = List.of(call -> admit(call, check), read, call -> work(call, answer));
        for (int i = 0; i < steps.size(); i++) {
            router.post(path)
                    .order(EdgeRoutes.BEFORE_LIMIT + 1 + i)
                    .handler(steps.get(i))
                    .failureHandler(this::fail);
        }
    }

    private void admit(RoutingContext call, Handler<RoutingContext> check) {
        if (EdgeRoutes.declaredLength(call) > bytesMax) {
            refuse(call, tooLarge.apply("The body of " + EdgeRoutes.declaredLength(call) + " bytes"));
            return;
        }
        try {
            check.handle(call);
        } catch (ServingException e) {
            refuse(call, e);
            return;
        }
        call.next();
    }

    /** Answers before the body was read to its end. */
    static void refuse(RoutingContext call, ServingException failure) {
        UnreadBody.drop(call);
        EdgeRoutes.write(call, failure);
    }

    private static void work(RoutingContext call, Function<RoutingContext, Object> answer) {
        call.vertx()
                .executeBlocking(() -> Buffer.buffer(Json.bytes(answer.apply(call))), false)
                .onSuccess(json -> call.response()
                        .putHeader("Content-Type", "application/json")
                        .end(json))
                .onFailure(call::fail);
    }

    private void fail(RoutingContext call) {
        if (call.response().ended()) {
            return;
        }
        ServingException failure = failure(call);
        List<FileUpload> parts = List.copyOf(call.fileUploads());
        call.fileUploads().clear(); // else Vert.x goes through them once more
        parts.forEach(part -> call.vertx().fileSystem().delete(part.uploadedFileName()));
        refuse(call, failure);
    }

    private ServingException failure(RoutingContext call) {
        if (call.failure() instanceof ServingException refusal) {
            if (refusal.code().httpStatus() == 500) {
                log(call);
            }
            return refusal;
        }
        if (call.failure() instanceof HttpClosedException closed) {
            return new ServingException(ErrorCode.CANCELLED, "The client closed the connection", closed);
        }
        if (call.statusCode() == 413) {
            return tooLarge.apply("The body");
        }
        if (call.statusCode() >= 400 && call.statusCode() < 500) {
            return new ServingException(ErrorCode.INVALID_REQUEST, "The body is no multipart form");
        }
        log(call);
        return new ServingException(ErrorCode.INTERNAL, "Internal error; the server's log has the reason");
    }

    private static void log(RoutingContext call) {
        LOG.errorf(
                call.failure(),
                "%s %s failed",
                call.request().method(),
                call.request().path());
    }

    /**
     * Reads a form. Vert.x 4.5 closes a part's file twice when its client leaves, which throws on the event loop; here the files
     * are thrown away by {@link #fail}.
     */
    static void readForm(BodyHandler form, RoutingContext call) {
        form.handle(call);
        call.request()
                .exceptionHandler(broken -> call.fail(
                        new ServingException(ErrorCode.CANCELLED, "The client closed the connection", broken)));
    }

    /** Whether a body says that it is a form. */
    static boolean isForm(RoutingContext call) {
        return mediaType(call).equals("multipart/form-data");
    }

    /** Without its parameters; empty if there is none. */
    static String mediaType(RoutingContext call) {
        String type = call.request().getHeader("Content-Type");
        return type == null ? "" : type.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
    }

    /** The refusal of what a route does not read. */
    static ServingException unsupported(RoutingContext call, String supported) {
        return new ServingException(
                ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                "Content-Type '%s' is not supported; send %s"
                        .formatted(call.request().getHeader("Content-Type"), supported));
    }
}
