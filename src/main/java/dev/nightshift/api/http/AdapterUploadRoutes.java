package dev.nightshift.api.http;

import dev.nightshift.adapter.AdapterLibrary;
import dev.nightshift.adapter.AdapterVersion;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import dev.nightshift.files.FileStore;
import io.vertx.ext.web.FileUpload;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * {@code POST /v1/adapters}: a PEFT folder becomes the next version of an adapter. The body is an archive, with the name in the query,
 * or a form with {@code name} and either an archive or PEFT's two files, known by their file names.
 */
@ApplicationScoped
public class AdapterUploadRoutes {
    private static final String CONFIG = "adapter_config.json";
    private static final String WEIGHTS = "adapter_model.safetensors";
    private static final String SPOOLED = AdapterUploadRoutes.class.getName();
    /** Small clients leave the type out. */
    private static final Set<String> ARCHIVES =
            Set.of("application/x-tar", "application/tar", "application/zip", "application/octet-stream", "");

    private final ServedAdapters adapters;
    private final FileStore files;
    private final EdgeRoutes.Limits limits;

    AdapterUploadRoutes(ServedAdapters adapters, FileStore files, EdgeRoutes.Limits limits) {
        this.adapters = adapters;
        this.files = files;
        this.limits = limits;
    }

    void mount(@Observes Router router) {
        UploadRoute route =
                new UploadRoute(EdgeRoutes.UPLOAD, limits.uploadBytes(), what -> tooLarge(what, limits.uploadBytes()));
        BodyHandler form = BodyHandler.create(files.incomingFolder().toString())
                .setBodyLimit(route.bytesMax())
                .setDeleteUploadedFilesOnEnd(true);
        route.mount(router, this::check, call -> read(call, form, route), this::publish);
    }

    private static ServingException tooLarge(String what, long bytesMax) {
        return new ServingException(
                ErrorCode.PAYLOAD_TOO_LARGE,
                "%s is larger than the limit of %d bytes (nightshift.adapter-upload-limit)".formatted(what, bytesMax));
    }

    private void check(RoutingContext call) {
        adapters.get();
        if (!UploadRoute.isForm(call)) {
            if (!ARCHIVES.contains(UploadRoute.mediaType(call))) {
                throw UploadRoute.unsupported(
                        call, "application/x-tar, application/zip, application/octet-stream or multipart/form-data");
            }
            AdapterLibrary.checkName(required(call.request().getParam("name")));
        }
    }

    private void read(RoutingContext call, BodyHandler form, UploadRoute route) {
        if (UploadRoute.isForm(call)) {
            UploadRoute.readForm(form, call);
        } else {
            Path file = files.newIncoming();
            call.put(SPOOLED, file);
            SpooledBody.read(call, file, route);
        }
    }

    private Object publish(RoutingContext call) {
        Path archive = call.get(SPOOLED);
        AdapterVersion version = archive == null
                ? form(call)
                : adapters.get().uploadArchive(call.request().getParam("name"), archive);
        return AdapterCard.Version.of(version);
    }

    private AdapterVersion form(RoutingContext call) {
        String inForm = call.request().getFormAttribute("name");
        String name = required(inForm == null ? call.request().getParam("name") : inForm);
        List<FileUpload> parts = call.fileUploads();
        Optional<Path> config = file(parts, CONFIG);
        Optional<Path> weights = file(parts, WEIGHTS);
        if (config.isPresent() && weights.isPresent() && parts.size() == 2) {
            return adapters.get().upload(name, config.get(), weights.get());
        }
        if (parts.size() != 1 || config.isPresent() || weights.isPresent()) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "the form has %d files; one .tar or .zip, or %s and %s, is expected"
                            .formatted(parts.size(), CONFIG, WEIGHTS));
        }
        return adapters.get().uploadArchive(name, Path.of(parts.getFirst().uploadedFileName()));
    }

    private static Optional<Path> file(List<FileUpload> parts, String name) {
        return parts.stream()
                .filter(part -> name.equals(part.fileName()) || name.equals(part.name()))
                .findFirst()
                .map(part -> Path.of(part.uploadedFileName()));
    }

    private static String required(String name) {
        if (name == null || name.isEmpty()) {
            throw ServingException.invalid("name", "name: the field is required");
        }
        return name;
    }
}
