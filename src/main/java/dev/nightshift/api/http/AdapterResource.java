package dev.nightshift.api.http;

import dev.nightshift.adapter.AdapterLibrary;
import dev.nightshift.adapter.AdapterView;
import dev.nightshift.adapter.Export;
import dev.nightshift.adapter.ServedAdapters;
import io.smallrye.common.annotation.Blocking;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.DELETE;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.PUT;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.parameters.RequestBody;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code /v1/adapters}: what is served, its versions, what names mean, downloads, adapters made from others. */
@Path("/v1/adapters")
@ApplicationScoped
@Tag(name = "Adapters")
public class AdapterResource {
    private static final String JSON = "application/json";
    private static final String TAR = "application/x-tar";
    private static final double WEIGHT_MAX = 1000;

    private final ServedAdapters adapters;

    private final Exchanges exchanges;
    private final Downloads downloads;

    AdapterResource(ServedAdapters adapters, Exchanges exchanges, Downloads downloads) {
        this.adapters = adapters;
        this.exchanges = exchanges;
        this.downloads = downloads;
    }

    /** Adapters and aliases. */
    @GET
    @Blocking
    @Operation(summary = "List the adapters and aliases that are served", operationId = "listAdapters")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.Cards.class)))
    public Response list() {
        AdapterLibrary library = adapters.get();
        List<AdapterCard> cards = library.registry().list().stream()
                .map(view -> AdapterCard.of(view, library.baseName()))
                .toList();
        return Answers.json(new AdapterCard.Cards("list", cards));
    }

    /** A name, an alias or {@code name@number}. */
    @GET
    @Blocking
    @Path("/{name}")
    @Operation(summary = "Describe an adapter, an alias or a version", operationId = "retrieveAdapter")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.class)))
    public Response retrieve(@PathParam("name") String name) {
        AdapterLibrary library = adapters.get();
        return card(library.view(name), library);
    }

    private static Response card(AdapterView view, AdapterLibrary library) {
        return Answers.json(AdapterCard.of(view, library.baseName()));
    }

    /** From disk too; what runs with it ends first. */
    @DELETE
    @Blocking
    @Path("/{name}")
    @Operation(summary = "Delete an adapter, one version or an alias", operationId = "deleteAdapter")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.Deleted.class)))
    public Response delete(@PathParam("name") String name) {
        AdapterLibrary library = adapters.get();
        library.view(name);
        library.registry().delete(name);
        return Answers.json(new AdapterCard.Deleted(name, "adapter", true));
    }

    /** Newest first. */
    @GET
    @Blocking
    @Path("/{name}/versions")
    @Operation(summary = "List the versions of an adapter", operationId = "listAdapterVersions")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.Versions.class)))
    public Response versions(@PathParam("name") String name) {
        List<AdapterCard.Version> versions = adapters.get().registry().versions(name).stream()
                .map(AdapterCard.Version::of)
                .toList();
        return Answers.json(new AdapterCard.Versions("list", versions));
    }

    /** One version, by its number. */
    @GET
    @Blocking
    @Path("/{name}/versions/{number: [0-9]+}")
    @Operation(summary = "Describe one version", operationId = "retrieveAdapterVersion")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.Version.class)))
    public Response version(@PathParam("name") String name, @PathParam("number") String number) {
        return Answers.json(
                AdapterCard.Version.of(adapters.get().view(name + "@" + number).version()));
    }

    /** {@code {"target": "support-bot@3"}}. */
    @PUT
    @Path("/{name}/alias")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Let a name mean an adapter or a version", operationId = "setAdapterAlias")
    @RequestBody(content = @Content(mediaType = JSON, schema = @Schema(ref = "AdapterAliasRequest")))
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.class)))
    public Uni<Response> alias(@PathParam("name") String name, @Context RoutingContext call) {
        return exchanges.respond(call, fields -> {
            AdapterLibrary library = adapters.get();
            return card(library.registry().alias(name, fields.requiredString("target")), library);
        });
    }

    /** What it meant before. */
    @POST
    @Blocking
    @Path("/{name}/rollback")
    @Operation(summary = "Let a name mean what it meant before", operationId = "rollbackAdapter")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.class)))
    public Response rollback(@PathParam("name") String name) {
        AdapterLibrary library = adapters.get();
        return card(library.registry().rollback(name), library);
    }

    /** The PEFT folder in a {@code .tar}, with a model card. */
    @GET
    @Path("/{name}/download")
    @Operation(summary = "Download the version that a name means", operationId = "downloadAdapter")
    @APIResponse(responseCode = "200", content = @Content(mediaType = TAR))
    public Uni<Response> download(@PathParam("name") String name, @Context RoutingContext call) {
        return downloads.tar(call, () -> adapters.get().download(name));
    }

    /** The same for one version. */
    @GET
    @Path("/{name}/versions/{number: [0-9]+}/download")
    @Operation(summary = "Download one version", operationId = "downloadAdapterVersion")
    @APIResponse(responseCode = "200", content = @Content(mediaType = TAR))
    public Uni<Response> download(
            @PathParam("name") String name, @PathParam("number") String number, @Context RoutingContext call) {
        return download(name + "@" + number, call);
    }

    /** {@code {"parts": [{"model": "a", "weight": 0.7}, {"model": "b@2", "weight": 0.3}], "rank": 16}}. */
    @POST
    @Path("/{name}/compose")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Publish a weighted sum of adapters", operationId = "composeAdapters")
    @RequestBody(content = @Content(mediaType = JSON, schema = @Schema(ref = "AdapterComposeRequest")))
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.Computed.class)))
    public Uni<Response> compose(@PathParam("name") String name, @Context RoutingContext call) {
        return exchanges.respond(call, fields -> compose(name, fields));
    }

    private Response compose(String name, Fields fields) {
        List<AdapterLibrary.Part> parts = fields.list("parts", (node, at) -> {
                    Fields part = new Fields(Fields.asObject(node, at), at);
                    double weight = part.value("weight")
                            .map(value -> Fields.asNumber(value, at + ".weight", -WEIGHT_MAX, WEIGHT_MAX))
                            .orElse(1f);
                    return new AdapterLibrary.Part(part.requiredString("model"), weight);
                })
                .orElseThrow(() -> fields.missing("parts"));
        Optional<Integer> rank = fields.integer("rank", 1, Integer.MAX_VALUE);
        return computed(
                adapters.get().compose(name, parts, rank.map(OptionalInt::of).orElseGet(OptionalInt::empty)));
    }

    /** {@code {"rank": 8, "name": "smaller"}}; without a name it becomes the next version of the same adapter. */
    @POST
    @Path("/{name}/reduce")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Publish an adapter at a lower rank", operationId = "reduceAdapter")
    @RequestBody(content = @Content(mediaType = JSON, schema = @Schema(ref = "AdapterReduceRequest")))
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.Computed.class)))
    public Uni<Response> reduce(@PathParam("name") String name, @Context RoutingContext call) {
        return exchanges.respond(call, fields -> reduce(name, fields));
    }

    private Response reduce(String name, Fields fields) {
        AdapterLibrary library = adapters.get();
        int rank = fields.integer("rank", 1, Integer.MAX_VALUE).orElseThrow(() -> fields.missing("rank"));
        String target = fields.string("name")
                .orElseGet(() -> library.view(name).version().name());
        return computed(library.reduce(name, rank, target));
    }

    private static Response computed(AdapterLibrary.Computed computed) {
        return Answers.json(
                new AdapterCard.Computed(AdapterCard.Version.of(computed.version()), computed.relativeError()));
    }

    /**
     * {@code {"weights": "served"}} (the default) or {@code "stored"}. Answers when the model is written, which takes minutes for a
     * large one; {@code POST /v1/exports} answers at once.
     */
    @POST
    @Path("/{name}/merge")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Write a 16-bit base model with the adapter in its weights", operationId = "mergeAdapter")
    @RequestBody(content = @Content(mediaType = JSON, schema = @Schema(ref = "AdapterMergeRequest")))
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = JSON, schema = @Schema(implementation = AdapterCard.Export.class)))
    public Uni<Response> merge(@PathParam("name") String name, @Context RoutingContext call) {
        return exchanges.respondLater(
                call,
                fields -> adapters.get()
                        .merge(name, ExportResource.source(fields), fields.string("name"))
                        .thenApply(AdapterResource::merged));
    }

    private static Response merged(Export export) {
        return Answers.json(new AdapterCard.Export(
                "adapter.export",
                export.name(),
                export.files(),
                export.progress().bytes()));
    }
}
