package dev.nightshift.api.http;

import dev.nightshift.adapter.AdapterVersion;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.smallrye.common.annotation.Blocking;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.List;
import java.util.Optional;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;
import org.jboss.resteasy.reactive.RestForm;
import org.jboss.resteasy.reactive.RestQuery;
import org.jboss.resteasy.reactive.multipart.FileUpload;

/** {@code POST /v1/adapters}: a PEFT folder becomes the next version of an adapter. Bodies go to disk as they come. */
@Path("/v1/adapters")
@ApplicationScoped
@Blocking
@Tag(name = "Adapters")
public class AdapterUploadResource {
    private static final String CONFIG = "adapter_config.json";
    private static final String WEIGHTS = "adapter_model.safetensors";

    private final ServedAdapters adapters;

    AdapterUploadResource(ServedAdapters adapters) {
        this.adapters = adapters;
    }

    /** The archive is the body: {@code POST /v1/adapters?name=support-bot}. */
    @POST
    @Consumes({"application/x-tar", "application/tar", "application/zip", "application/octet-stream"})
    @Operation(summary = "Upload a PEFT folder as a .tar or .zip", operationId = "uploadAdapterArchive")
    @APIResponse(
            responseCode = "200",
            content =
                    @Content(
                            mediaType = "application/json",
                            schema = @Schema(implementation = AdapterCard.Version.class)))
    public Response archive(@RestQuery String name, InputStream body) {
        return published(adapters.get().upload(required(name), body));
    }

    /** A form with {@code name} and either an archive or PEFT's two files, known by their file names. */
    @POST
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    @Operation(summary = "Upload a PEFT folder as a form", operationId = "uploadAdapterForm")
    @APIResponse(
            responseCode = "200",
            content =
                    @Content(
                            mediaType = "application/json",
                            schema = @Schema(implementation = AdapterCard.Version.class)))
    public Response form(
            @RestForm("name") String name,
            @RestQuery("name") String inQuery,
            @RestForm(FileUpload.ALL) List<FileUpload> files)
            throws IOException {
        String target = required(name == null ? inQuery : name);
        Optional<FileUpload> config = file(files, CONFIG);
        Optional<FileUpload> weights = file(files, WEIGHTS);
        if (config.isPresent() && weights.isPresent() && files.size() == 2) {
            return published(adapters.get()
                    .upload(target, config.get().uploadedFile(), weights.get().uploadedFile()));
        }
        if (files.size() != 1 || config.isPresent() || weights.isPresent()) {
            throw new ServingException(
                    ErrorCode.INVALID_REQUEST,
                    "the form has %d files; one .tar or .zip, or %s and %s, is expected"
                            .formatted(files.size(), CONFIG, WEIGHTS));
        }
        try (InputStream body = Files.newInputStream(files.getFirst().uploadedFile())) {
            return published(adapters.get().upload(target, body));
        }
    }

    private static Optional<FileUpload> file(List<FileUpload> files, String name) {
        return files.stream()
                .filter(file -> name.equals(file.fileName()) || name.equals(file.name()))
                .findFirst();
    }

    private static String required(String name) {
        if (name == null || name.isEmpty()) {
            throw ServingException.invalid("name", "name: the field is required");
        }
        return name;
    }

    private static Response published(AdapterVersion version) {
        return Answers.json(AdapterCard.Version.of(version));
    }
}
