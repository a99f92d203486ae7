package dev.nightshift.api.http;

import dev.nightshift.adapter.AdapterVersion;
import dev.nightshift.adapter.ServedAdapters;
import dev.nightshift.failure.ErrorCode;
import dev.nightshift.failure.ServingException;
import io.smallrye.mutiny.Uni;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.parameters.RequestBody;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** vLLM's two routes for adapters, with its status codes: text on success, 400 for a name that is loaded, 404 for no such path. */
@Path("/v1")
@ApplicationScoped
@Tag(name = "Adapters")
public class VllmLoraResource {
    private static final String TEXT = "text/plain";

    private final ServedAdapters adapters;

    private final Exchanges exchanges;

    VllmLoraResource(ServedAdapters adapters, Exchanges exchanges) {
        this.adapters = adapters;
        this.exchanges = exchanges;
    }

    /** Checked whole before it answers; served until the server stops. */
    @POST
    @Path("/load_lora_adapter")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Serve a PEFT folder below nightshift.adapters", operationId = "loadLoraAdapter")
    @RequestBody(content = @Content(mediaType = "application/json", schema = @Schema(ref = "LoadLoraAdapterRequest")))
    @APIResponse(responseCode = "200", content = @Content(mediaType = TEXT))
    public Uni<Response> load(@Context RoutingContext call) {
        return exchanges.respond(call, this::load);
    }

    private Response load(Fields fields) {
        String name = fields.requiredString("lora_name");
        String path = fields.requiredString("lora_path");
        boolean inPlace = fields.bool("load_inplace", false);
        JsonBody.logUnknown(fields);
        AdapterVersion version;
        try {
            version = adapters.get().registry().load(name, path, inPlace);
        } catch (ServingException e) {
            throw asVllm(e);
        }
        return text("Adapter '%s' is served now, as %s".formatted(name, version.id()));
    }

    private static ServingException asVllm(ServingException failure) {
        if (failure.code() == ErrorCode.CONFLICT) {
            return new ServingException(ErrorCode.INVALID_REQUEST, failure.getMessage(), failure)
                    .withParam("lora_name");
        }
        if (failure.param().filter("lora_path"::equals).isPresent()) {
            return new ServingException(ErrorCode.NOT_FOUND, failure.getMessage(), failure).withParam("lora_path");
        }
        return failure.param().filter("name"::equals).isPresent() ? failure.withParam("lora_name") : failure;
    }

    /** What runs with it ends first; its files stay. */
    @POST
    @Path("/unload_lora_adapter")
    @Consumes(MediaType.WILDCARD)
    @Operation(summary = "Stop serving an adapter", operationId = "unloadLoraAdapter")
    @RequestBody(content = @Content(mediaType = "application/json", schema = @Schema(ref = "UnloadLoraAdapterRequest")))
    @APIResponse(responseCode = "200", content = @Content(mediaType = TEXT))
    public Uni<Response> unload(@Context RoutingContext call) {
        return exchanges.respond(call, this::unload);
    }

    private Response unload(Fields fields) {
        String name = fields.requiredString("lora_name");
        fields.accept("lora_int_id");
        adapters.get().registry().unload(name);
        return text("Adapter '%s' is no longer served".formatted(name));
    }

    private static Response text(String text) {
        return Response.ok(text, TEXT).build();
    }
}
