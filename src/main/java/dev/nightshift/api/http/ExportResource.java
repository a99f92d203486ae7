package dev.nightshift.api.http;

import dev.nightshift.adapter.MergeSource;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.failure.ServingException;
import io.smallrye.common.annotation.Blocking;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.DELETE;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.QueryParam;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.Optional;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.parameters.RequestBody;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code /v1/exports}: base models in 16 bits with an adapter in their weights. */
@Path("/v1/exports")
@ApplicationScoped
@Tag(name = "Exports")
public class ExportResource {
    private static final String JSON = "application/json";
    private static final String TAR = "application/x-tar";
    private static final int LIMIT_MAX = 10_000;

    private final ServedAdapters adapters;
    private final Exchanges exchanges;
    private final Downloads downloads;

    ExportResource(ServedAdapters adapters, Exchanges exchanges, Downloads downloads) {
        this.adapters = adapters;
        this.exchanges = exchanges;
        this.downloads = downloads;
    }

    /** Newest first unless {@code order} says otherwise. */
    @GET
    @Blocking
    @Operation(summary = "List the exports", operationId = "listExports")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = ExportCard.Page.class)))
    public Response list(
            @QueryParam("limit") String limit, @QueryParam("order") String order, @QueryParam("after") String after) {
        return Answers.json(ExportCard.Page.of(adapters.get()
                .exports(
                        Optional.ofNullable(after).filter(text -> !text.isEmpty()),
                        FileFields.limit(limit, LIMIT_MAX, LIMIT_MAX),
                        FileFields.newestFirst(order))));
    }

    /** {@code {"model": "support-bot@3", "weights": "served", "name": "merged-bot"}}; answers at once. */
    @POST
    @Consumes(MediaType.WILDCARD)
    @Operation(
            summary = "Begin to write a 16-bit base model with an adapter in its weights",
            operationId = "createExport")
    @RequestBody(content = @Content(mediaType = JSON, schema = @Schema(ref = "ExportRequest")))
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = ExportCard.class)))
    public Uni<Response> create(@Context RoutingContext call) {
        return exchanges.respond(call, this::create);
    }

    private Response create(Fields fields) {
        return Answers.json(ExportCard.of(
                adapters.get().export(fields.requiredString("model"), source(fields), fields.string("name"))));
    }

    /** {@code weights} of a JSON body. */
    static MergeSource source(Fields fields) {
        String weights = fields.string("weights").orElse("served");
        return switch (weights) {
            case "served" -> MergeSource.SERVED;
            case "stored" -> MergeSource.STORED;
            default ->
                throw ServingException.invalid("weights", "weights: '" + weights + "' is neither served nor stored");
        };
    }

    /** How far it is. */
    @GET
    @Blocking
    @Path("/{name}")
    @Operation(summary = "Describe an export", operationId = "retrieveExport")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = ExportCard.class)))
    public Response retrieve(@PathParam("name") String name) {
        return Answers.json(ExportCard.of(adapters.get().getExport(name)));
    }

    /** The Hugging Face folder in a {@code .tar}. */
    @GET
    @Path("/{name}/download")
    @Operation(summary = "Download an export", operationId = "downloadExport")
    @APIResponse(responseCode = "200", content = @Content(mediaType = TAR))
    public Uni<Response> download(@PathParam("name") String name, @Context RoutingContext call) {
        return downloads.tar(call, () -> adapters.get().downloadExport(name));
    }

    /** Ends one that is queued or running. */
    @DELETE
    @Blocking
    @Path("/{name}")
    @Operation(summary = "Cancel or delete an export", operationId = "deleteExport")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = ExportCard.Deleted.class)))
    public Response delete(@PathParam("name") String name) {
        adapters.get().deleteExport(name);
        return Answers.json(new ExportCard.Deleted(name, "export", true));
    }
}
