package dev.nightshift.api.http;

import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.files.FileStore;
import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.StoredFile;
import dev.nightshift.files.Upload;
import dev.nightshift.files.Uploads;
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
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * {@code POST /v1/files} and {@code POST /v1/uploads/{id}/parts}: multipart bodies that stream to the disk. They have a size
 * limit of their own, so they are taken before the server's general one is looked at.
 */
@ApplicationScoped
public class FileRoutes {
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
        mount(router, FILES, files.limits().fileBytesMax(), "nightshift.files.file", this::file);
        mount(router, "/v1/uploads/:upload/parts", files.limits().partBytesMax(), "nightshift.files.part", this::part);
    }

    private void mount(
            Router router, String path, long bytesMax, String setting, Function<RoutingContext, Object> answer) {
        UploadRoute route = new UploadRoute(path, bytesMax + FORM_BYTES_MAX, what -> tooLarge(what, bytesMax, setting));
        BodyHandler body = BodyHandler.create(files.incomingFolder().toString())
                .setBodyLimit(route.bytesMax())
                .setDeleteUploadedFilesOnEnd(true);
        route.mount(router, FileRoutes::check, call -> UploadRoute.readForm(body, call), answer);
    }

    private static void check(RoutingContext call) {
        if (!UploadRoute.isForm(call)) {
            throw UploadRoute.unsupported(call, "multipart/form-data");
        }
    }

    private static ServingException tooLarge(String what, long bytesMax, String setting) {
        return new ServingException(
                ErrorCode.PAYLOAD_TOO_LARGE,
                "%s is larger than the limit of a file or a part sent at once, %d bytes (%s); larger files come through /v1/uploads"
                        .formatted(what, bytesMax, setting));
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
