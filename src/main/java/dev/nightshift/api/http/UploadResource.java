package dev.nightshift.api.http;

import dev.nightshift.files.NewFile;
import dev.nightshift.files.Purpose;
import dev.nightshift.files.Uploads;
import io.smallrye.common.annotation.Blocking;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
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
@Tag(name = "Uploads")
public class UploadResource {
    private final Uploads uploads;
    private final Exchanges exchanges;

    UploadResource(Uploads uploads, Exchanges exchanges) {
        this.uploads = uploads;
        this.exchanges = exchanges;
    }

    /** Begins an upload. */
    @POST
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Begin an upload in parts", operationId = "createUpload")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = UploadObject.class)))
    public Uni<Response> create(@Context RoutingContext call) {
        return exchanges.answerAtOnce(call, this::create);
    }

    private UploadObject create(Fields fields) {
        NewFile file = new NewFile(
                fields.requiredString("filename"),
                Purpose.ofUpload(fields.requiredString("purpose")),
                FileFields.life(fields));
        long bytes = fields.whole("bytes", 1, Long.MAX_VALUE).orElseThrow(() -> fields.missing("bytes"));
        String type = fields.requiredString("mime_type");
        JsonBody.logUnknown(fields);
        return UploadObject.of(uploads.create(file, bytes, type), null);
    }

    /** Puts the parts together, in the order of their ids in the body. */
    @POST
    @Path("/{id}/complete")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Complete an upload", operationId = "completeUpload")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = UploadObject.class)))
    public Uni<Response> complete(@PathParam("id") String id, @Context RoutingContext call) {
        return exchanges.answerAtOnce(call, fields -> complete(id, fields));
    }

    private UploadObject complete(String id, Fields fields) {
        List<String> parts = fields.list("part_ids", Fields::asString).orElseThrow(() -> fields.missing("part_ids"));
        Uploads.Completed done = uploads.complete(id, parts, fields.string("md5"));
        JsonBody.logUnknown(fields);
        return UploadObject.of(done.upload(), done.file());
    }

    /** Parts that have arrived are deleted. */
    @POST
    @Path("/{id}/cancel")
    @Blocking
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Give an upload up", operationId = "cancelUpload")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = UploadObject.class)))
    public Response cancel(@PathParam("id") String id) {
        return Answers.json(UploadObject.of(uploads.cancel(id), null));
    }
}
