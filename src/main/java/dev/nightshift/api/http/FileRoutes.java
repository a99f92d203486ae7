package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.files.FileStore;
import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.StoredFile;
import dev.nightshift.files.Upload;
import dev.nightshift.files.Uploads;
import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.FileUpload;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jboss.logging.Logger;

/**
 * {@code POST /v1/files} and {@code POST /v1/uploads/{id}/parts}: multipart bodies that stream to the disk. They have a size
 * limit of their own, so they are taken before the server's general one is looked at.
 */
@ApplicationScoped
public class FileRoutes {
    private static final Logger LOG = Logger.getLogger(FileRoutes.class);
    private static final String FILES = "/v1/files";
    private static final Pattern PARTS = Pattern.compile("/v1/uploads/[^/]+/parts");
    /** Room for the form around the file. */
    private static final long FORM_BYTES_MAX = 64 << 10;

    private final FileStore files;
    private final Uploads uploads;

    FileRoutes(FileStore files, Uploads uploads) {
        this.files = files;
        this.uploads = uploads;
    }

    /** Whether a request is one of these, with a limit of its own. */
    static boolean takes(HttpServerRequest request) {
        String path = EdgeRoutes.tidy(request.path());
        return request.method() == HttpMethod.POST
                && (path.equals(FILES) || PARTS.matcher(path).matches());
    }

    void mount(@Observes Router router) {
        mount(router, FILES, files.limits().fileBytesMax(), this::file);
        mount(router, "/v1/uploads/:upload/parts", files.limits().partBytesMax(), this::part);
    }

    private void mount(Router router, String path, long bytesMax, Function<RoutingContext, Object> answer) {
        BodyHandler body = BodyHandler.create(files.incomingFolder().toString())
                .setBodyLimit(bytesMax + FORM_BYTES_MAX)
                .setDeleteUploadedFilesOnEnd(true);
        List<Handler<RoutingContext>> steps = List.of(call -> check(call, bytesMax), body, call -> work(call, answer));
        for (int i = 0; i < steps.size(); i++) {
            router.post(path)
                    .order(EdgeRoutes.BEFORE_LIMIT + 1 + i)
                    .handler(steps.get(i))
                    .failureHandler(call -> fail(call, bytesMax));
        }
    }

    /** Checking and syncing a large file takes seconds, which the event loop must not wait for. */
    private static void work(RoutingContext call, Function<RoutingContext, Object> answer) {
        call.vertx()
                .executeBlocking(() -> Buffer.buffer(Json.bytes(answer.apply(call))), false)
                .onSuccess(json -> call.response()
                        .putHeader("Content-Type", "application/json")
                        .end(json))
                .onFailure(failure -> {
                    if (failure instanceof ServingException refusal) {
                        EdgeRoutes.write(call, refusal);
                    } else {
                        call.fail(failure);
                    }
                });
    }

    private static void check(RoutingContext call, long bytesMax) {
        String type = call.request().getHeader("Content-Type");
        if (type == null || !type.toLowerCase(Locale.ROOT).startsWith("multipart/form-data")) {
            EdgeRoutes.write(
                    call,
                    new ServingException(
                            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                            "Content-Type '" + type + "' is not supported; send multipart/form-data"));
        } else if (EdgeRoutes.declaredLength(call) > bytesMax + FORM_BYTES_MAX) {
            EdgeRoutes.write(call, tooLarge("The body has " + EdgeRoutes.declaredLength(call) + " bytes", bytesMax));
        } else {
            call.next();
        }
    }

    private static ServingException tooLarge(String what, long bytesMax) {
        return new ServingException(
                ErrorCode.PAYLOAD_TOO_LARGE,
                what + ", the limit of a file or a part sent at once is " + bytesMax
                        + "; larger files come through /v1/uploads");
    }

    private static void fail(RoutingContext call, long bytesMax) {
        if (call.response().ended()) {
            return;
        }
        ServingException failure;
        if (call.statusCode() == 413) {
            failure = tooLarge("The body is too large", bytesMax);
        } else if (call.statusCode() >= 400 && call.statusCode() < 500) {
            failure = new ServingException(ErrorCode.INVALID_REQUEST, "The body is no multipart form");
        } else {
            LOG.errorf(
                    call.failure(),
                    "%s %s failed",
                    call.request().method(),
                    call.request().path());
            failure = new ServingException(ErrorCode.INTERNAL, "Internal error; the server's log has the reason");
        }
        EdgeRoutes.write(call, failure);
    }

    private Object file(RoutingContext call) {
        String purpose = text(call, "purpose").orElseThrow(() -> missing("purpose"));
        FileUpload content = content(call, "file");
        NewFile given = new NewFile(content.fileName(), Purpose.ofUpload(purpose), life(call));
        StoredFile stored = files.accept(
                Path.of(content.uploadedFileName()), given, files.limits().fileBytesMax());
        return FileObject.of(stored);
    }

    private Object part(RoutingContext call) {
        FileUpload content = content(call, "data");
        Upload.Part part = uploads.addPart(call.pathParam("upload"), Path.of(content.uploadedFileName()));
        return UploadObject.Part.of(part);
    }

    private static FileUpload content(RoutingContext call, String name) {
        List<FileUpload> found = call.fileUploads().stream()
                .filter(each -> each.name().equals(name))
                .toList();
        if (found.isEmpty()) {
            throw missing(name);
        }
        if (found.size() > 1) {
            throw ServingException.invalid(name, name + ": " + found.size() + " were sent, one is taken");
        }
        return found.getFirst();
    }

    private static Optional<Duration> life(RoutingContext call) {
        Optional<String> anchor = text(call, "expires_after[anchor]");
        Optional<String> seconds = text(call, "expires_after[seconds]");
        if (anchor.isEmpty() && seconds.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(FileFields.life(
                anchor.orElseThrow(() -> missing("expires_after[anchor]")),
                seconds.orElseThrow(() -> missing("expires_after[seconds]"))));
    }

    private static Optional<String> text(RoutingContext call, String name) {
        return Optional.ofNullable(call.request().getFormAttribute(name));
    }

    private static ServingException missing(String name) {
        return ServingException.invalid(name, name + ": the form field is required");
    }
}
