package dev.nightshift.api.http;

import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.Uploads;
import io.smallrye.common.annotation.Blocking;
import io.vertx.core.http.HttpServerRequest;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.List;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code /v1/uploads}: files in parts. The parts themselves are {@link FileRoutes}'. */
@Path("/v1/uploads")
@ApplicationScoped
@Blocking
@Tag(name = "Uploads")
public class UploadResource {
    private final Uploads uploads;

    UploadResource(Uploads uploads) {
        this.uploads = uploads;
    }

    /** Begins an upload. */
    @POST
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Begin an upload in parts", operationId = "createUpload")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = UploadObject.class)))
    public Response create(byte[] body, @Context HttpServerRequest request) {
        Fields fields = JsonBody.fields(request, body);
        NewFile file = new NewFile(
                fields.requiredString("filename"),
                Purpose.ofUpload(fields.requiredString("purpose")),
                FileFields.life(fields));
        long bytes = fields.whole("bytes", 1, Long.MAX_VALUE).orElseThrow(() -> fields.missing("bytes"));
        String type = fields.requiredString("mime_type");
        JsonBody.logUnknown(fields);
        return Answers.json(UploadObject.of(uploads.create(file, bytes, type), null));
    }

    /** Puts the parts together, in the order of their ids in the body. */
    @POST
    @Path("/{id}/complete")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Complete an upload", operationId = "completeUpload")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = UploadObject.class)))
    public Response complete(@PathParam("id") String id, byte[] body, @Context HttpServerRequest request) {
        Fields fields = JsonBody.fields(request, body);
        List<String> parts =
                fields.list("part_ids", Fields::asString).orElseThrow(() -> fields.missing("part_ids"));
        Uploads.Completed done = uploads.complete(id, parts, fields.string("md5"));
        JsonBody.logUnknown(fields);
        return Answers.json(UploadObject.of(done.upload(), done.file()));
    }

    /** Parts that have arrived are deleted. */
    @POST
    @Path("/{id}/cancel")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Give an upload up", operationId = "cancelUpload")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = UploadObject.class)))
    public Response cancel(@PathParam("id") String id) {
        return Answers.json(UploadObject.of(uploads.cancel(id), null));
    }
}
