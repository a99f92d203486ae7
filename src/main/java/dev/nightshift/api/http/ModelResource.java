package dev.nightshift.api.http;

import dev.nightshift.chat.SingleModelCatalog;
import dev.nightshift.chat.Chat;
import dev.nightshift.chat.ServedChat;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.core.Response;
import java.time.Instant;
import java.util.List;
import org.eclipse.microprofile.openapi.annotations.Operation;
import org.eclipse.microprofile.openapi.annotations.media.Content;
import org.eclipse.microprofile.openapi.annotations.media.Schema;
import org.eclipse.microprofile.openapi.annotations.responses.APIResponse;
import org.eclipse.microprofile.openapi.annotations.tags.Tag;

/** {@code GET /v1/models} and {@code GET /v1/models/{id}}; an id may hold slashes, as they are or as {@code %2F}. */
@Path("/v1/models")
@ApplicationScoped
@Tag(name = "Models")
public class ModelResource {
    private final ServedChat served;
    private final long started = Instant.now().getEpochSecond();

    ModelResource(ServedChat served) {
        this.served = served;
    }

    /** The base model first. */
    @GET
    @Operation(summary = "List the models that requests may name", operationId = "listModels")
    @APIResponse(
            responseCode = "200",
            content = @Content(mediaType = "application/json", schema = @Schema(implementation = ModelList.class)))
    public Response list() {
        return Answers.json(new ModelList("list", cards()));
    }

    /** One card. */
    @GET
    @Path("/{id: .+}")
    @Operation(summary = "Describe a model", operationId = "retrieveModel")
    @APIResponse(
            responseCode = "200",
            content =
                    @Content(mediaType = "application/json", schema = @Schema(implementation = ModelList.Model.class)))
    public Response retrieve(@PathParam("id") String id) {
        return cards().stream()
                .filter(card -> card.id().equals(id))
                .findFirst()
                .map(Answers::json)
                .orElseThrow(() ->
                        SingleModelCatalog.unknown(id, served.get().catalog().ids()));
    }

    private List<ModelList.Model> cards() {
        Chat chat = served.get();
        List<String> ids = chat.catalog().ids();
        String base = ids.getFirst();
        return ids.stream()
                .map(id -> ModelList.Model.of(
                        id, id.equals(base) ? null : base, started, chat.model().contextMax()))
                .toList();
    }
}
